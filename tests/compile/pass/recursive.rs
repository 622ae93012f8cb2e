//! Types in events that contain themselves, by their name, as `Self`, and through one another.

#![deny(warnings)]

use factum::EventSchema;
use factum::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Serialize, Deserialize, EventSchema)]
#[repr(u8)]
enum Tree {
    Leaf = 1,
    Nodes(Vec<Tree>) = 2,
    Named { left: Box<Self>, right: Option<Box<Tree>> } = 4,
}

#[derive(Debug, Clone, Serialize, Deserialize, EventSchema)]
struct Folder {
    files: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Serialize, Deserialize, EventSchema)]
enum Entry {
    Folder(#[event_schema(recursive)] Folder),
    File { trees: [Tree; 2] },
}

mod other {
    use super::*;

    /// The same without a field of `Tree`.
    #[derive(Debug, Serialize, Deserialize, EventSchema)]
    pub struct Folder {
        files: BTreeMap<String, Entry>,
    }

    #[derive(Debug, Serialize, Deserialize, EventSchema)]
    pub enum Entry {
        Folder(#[event_schema(recursive)] super::other::Folder),
        File,
    }
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(version = 2)]
struct Saved {
    #[event(changed(since = 2, from = Vec<Folder>, with = |mut folders: Vec<Folder>| folders.pop()))]
    folder: Option<Folder>,
}

#[derive(Debug, Command)]
struct Save(String);

/// A state that contains itself, with snapshots.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, Aggregate, EventSchema)]
#[aggregate(id = String, commands(Save), events(Saved), snapshot(every = 2))]
struct Drive {
    inner: Vec<Drive>,
}

#[handlers]
impl Drive {
    #[execute]
    fn save(&self, _: Save) -> Saved {
        Saved { folder: None }
    }

    #[apply]
    fn saved(&mut self, _: &Saved) {
        self.inner.push(Self::default());
    }
}

const _: () = assert!(Tree::FINGERPRINT != 0);
const _: () = assert!(Folder::FINGERPRINT != other::Folder::FINGERPRINT);

fn main() {
    let drives = MemoryStore::new().repository::<Drive>();
    assert_eq!(drives.execute(Save(String::new())).unwrap().state().inner.len(), 1);
}
