use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

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
    pub fn parse(given: impl Iterator<Item = String>) -> Result<Self> {
        let given: Vec<String> = given.collect();
        let [work, durability, count, folder] = given.as_slice() else {
            bail!("usage: <work> <full|normal> <count> <folder>");
        };
        let durability = match durability.as_str() {
            "full" => Durability::Full,
            "normal" => Durability::Normal,
            other => bail!("`{other}` is neither `full` nor `normal`"),
        };
        let count = count.parse()?;
        ensure!(count > 0, "nothing to measure in 0 operations");
        Ok(Self { work: work.clone(), durability, count, folder: folder.into() })
    }
}
