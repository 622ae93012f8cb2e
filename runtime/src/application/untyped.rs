//! What is given and returned with a command whose type the caller does not know.

use std::future::Future;
use std::pin::Pin;

use crate::application::answer::{Answer, ByNameError};
use crate::repository::execute_options::{AnyRetries, ExecuteOptions};

/// The options of the command.
pub type AnyOptions<'a> = ExecuteOptions<'a, (), AnyRetries>;

/// An answer that a task waits for.
pub type LaterAnswer = Pin<Box<dyn Future<Output = Result<Answer, ByNameError>> + Send>>;
