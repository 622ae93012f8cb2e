//! What the command line says.

use std::path::PathBuf;
use std::str::FromStr;

pub const HELP: &str = "\
A shop as a web service.

  --port N          the port on 127.0.0.1; 8080 by default, 0 for one that is free
  --data FOLDER     where the stores are; without it, a folder that is deleted at the end
  --postgres URL    keeps the stores in that database, such as postgresql://shop@localhost/shop: a schema
                    `shop_a` for the tenant a, and `shop_a_1D2P3` for a_1-2.3; needs
                    `cargo run --features postgres --example shop`
  --tenants A,B     the tenants; north,south by default
  --at-once N       how many commands a tenant may have at work at a time; 64 by default
  --story           plays traffic in the first tenant
";

/// The options of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub port: u16,
    /// `None` for a folder that is deleted at the end.
    pub data: Option<PathBuf>,
    /// The database that has the stores in place of the folder.
    pub postgres: Option<String>,
    pub tenants: Vec<String>,
    pub at_once: usize,
    pub story: bool,
}

impl Options {
    /// Reads the arguments; `None` if they ask for help.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Option<Self>, String> {
        let tenants = vec!["north".to_owned(), "south".to_owned()];
        let mut options = Self { port: 8080, data: None, postgres: None, tenants, at_once: 64, story: false };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "--port" => options.port = number(&argument, &value()?)?,
                "--data" => options.data = Some(value()?.into()),
                "--postgres" => options.postgres = Some(value()?),
                "--tenants" => options.tenants = value()?.split(',').map(str::to_owned).collect(),
                "--at-once" => options.at_once = number(&argument, &value()?)?,
                "--story" => options.story = true,
                _ => return Err(format!("there is no option {argument}")),
            }
        }
        if options.data.is_some() && options.postgres.is_some() {
            return Err("the stores are in a folder or in a database: give --data or --postgres".to_owned());
        }
        Ok(Some(options))
    }
}

fn number<T: FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option} needs a number, not `{text}`"))
}
