//! Views and reactions that are more visible than their aggregates, commands and events.

#![deny(warnings)]

use factum::prelude::*;

mod bank {
    pub(super) mod domain {
        use factum::prelude::*;
        use serde::{Deserialize, Serialize};

        #[derive(Debug, Serialize, Deserialize, AggregateId)]
        pub(in crate::bank) struct Id(pub(super) String);

        #[derive(Debug, Serialize, Deserialize, Command)]
        pub(in super::super::bank) struct Open(pub(in crate::bank) Id);

        #[derive(Debug, Serialize, Deserialize, Event)]
        pub(in crate::bank) struct Opened {
            pub(self) by: u8,
        }

        impl Opened {
            pub(in crate::bank) fn by(&self) -> u8 {
                self.by
            }
        }

        #[derive(Debug, Default, Clone, Aggregate)]
        #[aggregate(id = Id, commands(Open), events(Opened))]
        pub(in crate::bank) struct Account;

        #[handlers]
        impl Account {
            #[execute]
            pub(self) fn open(&self, _: Open) -> Opened {
                Opened { by: 1 }
            }

            #[apply]
            pub(in crate::bank) fn opened(&mut self, _: &Opened) {}
        }

        pub(in crate::bank) fn id(text: &str) -> Id {
            Id(text.to_owned())
        }
    }

    use domain::{Account, Id, Open, Opened};
    use factum::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Default, Projection)]
    #[projection(events(Opened), from(Account))]
    pub struct Count(pub u8);

    #[handlers]
    impl Count {
        #[project]
        fn opened(&mut self, event: &Opened, _: &Id) {
            self.0 += event.by();
        }
    }

    #[derive(Debug, Default, Reaction)]
    #[reaction(events(Opened), from(Account))]
    pub struct Mails;

    #[handlers]
    impl Mails {
        #[react]
        fn opened(&self, _: &Opened, _: Id) {}
    }

    #[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
    #[process(id = String, starts(Opened by stream), from("account"), commands(Open for Account unrefused))]
    pub struct Ends;

    #[handlers]
    impl Ends {
        #[react]
        fn opened(&self, _: &Opened) -> Option<Open> {
            None
        }
    }

    pub fn open(store: &MemoryStore) {
        store.repository::<Account>().execute(Open(domain::id("a"))).unwrap();
    }
}

fn main() {
    let store = MemoryStore::new();
    bank::open(&store);
    let mut count = MemoryProjection::new(&store, bank::Count::default());
    count.catch_up().unwrap();
    assert_eq!(count.view().0, 1);
    let _ = (bank::Mails, bank::Ends);
}
