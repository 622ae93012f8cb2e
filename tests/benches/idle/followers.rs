//! Followers that have nothing to do.

use std::error::Error;

use factum::follow::RunningFollower;
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};

use crate::account::{Account, MoneyDeposited};

macro_rules! view {
    ($name:ident, $text:literal, $table:literal) => {
        #[derive(Projection)]
        #[projection(
                                    name = $text,
                                    events(MoneyDeposited),
                                    from(Account),
                                    into = Sqlite,
                                    init = concat!("CREATE TABLE ", $table, " (cents INTEGER NOT NULL)")
                                )]
        pub(crate) struct $name;

        #[handlers]
        impl $name {
            #[project]
            fn deposited(
                &self,
                event: &MoneyDeposited,
                transaction: &Transaction<'_>,
            ) -> rusqlite::Result<()> {
                let insert = concat!("INSERT INTO ", $table, " VALUES (?1)");
                transaction.prepare_cached(insert)?.execute([event.cents.cast_signed()]).map(drop)
            }
        }
    };
}

macro_rules! reaction {
    ($name:ident, $text:literal) => {
        #[derive(Reaction)]
        #[reaction(name = $text, events(MoneyDeposited), from(Account))]
        pub(crate) struct $name;

        #[handlers]
        impl $name {
            #[react]
            fn deposited(&self, _: &MoneyDeposited) {}
        }
    };
}

view!(View, "view", "amounts");
view!(OtherView, "other-view", "other_amounts");
reaction!(Mails, "mails");
reaction!(OtherMails, "other-mails");

/// Followers that are stopped in two steps.
pub(crate) trait Followers {
    fn begin_stop(&self);
    fn stop(self) -> Result<(), Box<dyn Error>>;
}

/// A view and a reaction.
pub(crate) struct OneOfEach {
    pub(crate) view: RunningFollower<SqliteProjection<View>>,
    mails: RunningFollower<SqliteReaction<Mails>>,
}

impl OneOfEach {
    pub(crate) fn start(store: &SqliteStore) -> Result<Self, Box<dyn Error>> {
        let view = SqliteProjection::new(store, View)?.follow().start()?;
        let mails = SqliteReaction::new(store, Mails)?.follow().start()?;
        Ok(Self { view, mails })
    }
}

impl Followers for OneOfEach {
    fn begin_stop(&self) {
        self.view.begin_stop();
        self.mails.begin_stop();
    }

    fn stop(self) -> Result<(), Box<dyn Error>> {
        self.view.stop()?;
        self.mails.stop()?;
        Ok(())
    }
}

/// Two views and two reactions.
pub(crate) struct AllFour {
    first: OneOfEach,
    view: RunningFollower<SqliteProjection<OtherView>>,
    mails: RunningFollower<SqliteReaction<OtherMails>>,
}

impl AllFour {
    pub(crate) fn start(store: &SqliteStore) -> Result<Self, Box<dyn Error>> {
        let first = OneOfEach::start(store)?;
        let view = SqliteProjection::new(store, OtherView)?.follow().start()?;
        let mails = SqliteReaction::new(store, OtherMails)?.follow().start()?;
        Ok(Self { first, view, mails })
    }
}

impl Followers for AllFour {
    fn begin_stop(&self) {
        self.first.begin_stop();
        self.view.begin_stop();
        self.mails.begin_stop();
    }

    fn stop(self) -> Result<(), Box<dyn Error>> {
        self.first.stop()?;
        self.view.stop()?;
        self.mails.stop()?;
        Ok(())
    }
}

/// Stops all in about the time of one.
pub(crate) fn stop_all<F: Followers>(followers: impl IntoIterator<Item = F>) -> Result<(), Box<dyn Error>> {
    let followers: Vec<_> = followers.into_iter().collect();
    followers.iter().for_each(Followers::begin_stop);
    followers.into_iter().try_for_each(Followers::stop)
}
