use std::path::PathBuf;

use crate::Outcome;

/// What a commit waits for.
#[derive(Clone, Copy)]
pub enum Durability {
    Full,
    Normal,
}

pub struct Arguments {
    pub work: String,
    pub durability: Durability,
    pub count: usize,
    pub folder: PathBuf,
}

impl Arguments {
    pub fn parse(given: impl Iterator<Item = String>) -> Outcome<Self> {
        let given: Vec<String> = given.collect();
        let [work, durability, count, folder] = given.as_slice() else {
            return Err("usage: <work> <full|normal> <count> <folder>".into());
        };
        let durability = match durability.as_str() {
            "full" => Durability::Full,
            "normal" => Durability::Normal,
            other => return Err(format!("`{other}` is neither `full` nor `normal`").into()),
        };
        let count = count.parse()?;
        if count == 0 {
            return Err("nothing to measure in 0 operations".into());
        }
        Ok(Self { work: work.clone(), durability, count, folder: folder.into() })
    }
}
