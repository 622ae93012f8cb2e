//! What a handler can emit, as a constant: what its return type says.

use factum::prelude::*;
use factum::{Emitted, Execute};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Lit;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "put-out")]
struct Dark;

macro_rules! commands {
    ($($name:ident)*) => {$(
        #[derive(Debug, Command)]
        struct $name;
    )*};
}

commands!(One Perhaps Several Pair Fixed Nothing Any Enum Fallible Renamed Aliased Opaque Never);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(
    id = (),
    error = String,
    commands(One, Perhaps, Several, Pair, Fixed, Nothing, Any, Enum, Fallible, Renamed, Aliased, Opaque, Never),
    events(Lit, Dark),
)]
struct Lamp;

type Decided = Result<(Lit, Vec<Dark>), String>;
type Switched = Dark;

mod result {
    pub(super) type Result<T> = std::result::Result<T, String>;
}

#[handlers]
impl Lamp {
    #[execute]
    fn one(&self, _: One) -> Lit {
        Lit
    }

    #[execute]
    fn perhaps(&self, _: Perhaps) -> Option<Switched> {
        None
    }

    #[execute]
    fn several(&self, _: Several) -> Vec<Lit> {
        Vec::new()
    }

    #[execute]
    fn pair(&self, _: Pair) -> (Lit, Option<Dark>) {
        (Lit, None)
    }

    #[execute]
    fn fixed(&self, _: Fixed) -> [Dark; 2] {
        [Dark, Dark]
    }

    #[execute]
    fn nothing(&self, _: Nothing) {}

    #[execute]
    fn any(&self, _: Any) -> Events<Self> {
        Events::on(self)
    }

    #[execute]
    fn generated(&self, _: Enum) -> LampEvent {
        Lit.into()
    }

    #[execute]
    fn fallible(&self, _: Fallible) -> Result<Lit, String> {
        Ok(Lit)
    }

    #[execute]
    fn renamed(&self, _: Renamed) -> result::Result<Option<Lit>> {
        Ok(None)
    }

    #[execute]
    fn aliased(&self, _: Aliased) -> Decided {
        Ok((Lit, Vec::new()))
    }

    #[execute]
    fn opaque(&self, _: Opaque) -> impl factum::IntoEvents<Self> + use<> {
        Lit
    }

    #[execute]
    fn never(&self, _: Never) -> Result<(), String> {
        Err("never".into())
    }

    #[apply]
    fn lit(&mut self, _: &Lit) {}

    #[apply]
    fn dark(&mut self, _: &Dark) {}
}

/// What the command can lead to, as `lit1 put-out?`.
fn emits<C>() -> String
where
    Lamp: Execute<C>,
{
    const EMITTED: &[&str] = &["lit", "put-out"];
    let emitted: Emitted = <Lamp as Execute<C>>::emits();
    emitted.events(EMITTED).iter().map(|(name, count)| format!("{name}{count}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_return_type_says_what_a_command_can_lead_to() {
    assert_eq!(emits::<One>(), "lit1");
    assert_eq!(emits::<Perhaps>(), "put-out?");
    assert_eq!(emits::<Several>(), "lit*");
    assert_eq!(emits::<Pair>(), "lit1 put-out?");
    assert_eq!(emits::<Fixed>(), "put-out+");
    assert_eq!(emits::<Nothing>(), "");
    assert_eq!(emits::<Any>(), "lit* put-out*");
    assert_eq!(emits::<Enum>(), "lit* put-out*");
    assert_eq!(emits::<Fallible>(), "lit1");
    assert_eq!(emits::<Renamed>(), "lit?");
    assert_eq!(emits::<Aliased>(), "lit* put-out*");
    assert_eq!(emits::<Opaque>(), "lit* put-out*");
    assert_eq!(emits::<Never>(), "");
}
