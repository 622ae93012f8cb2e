//! Which host of a URL to use. A host that says nothing keeps the store from no other.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::postgres::server::error::Failure;

/// How long a host may be silent before the next one is asked as well.
const SILENCE: Duration = Duration::from_millis(250);

/// How soon a host that was of no use is asked again, as long as another one is silent: it may lead by then.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Asks the hosts in their order. Returns the first success, or a failure once each host has had its answer or its time.
///
/// A final failure is returned as well once no host is left that was asked before.
pub(crate) async fn first_of_use<'h, H, T, F>(hosts: &'h [H], ask: impl Fn(&'h H) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut next = hosts.iter();
    let mut asked = Vec::new();
    let mut failure = Failure::Broken("there is no host".into());
    loop {
        let is_final = matches!(failure, Failure::Final(_));
        if !is_final && let Some(host) = next.next() {
            asked.push(Asked { host, is_first: true, answer: Box::pin(ask(host)) });
        }
        if !asked.iter().any(|asked| asked.is_first) {
            return Err(failure);
        }
        let longest = if is_final || next.len() == 0 { Duration::MAX } else { SILENCE };
        match timeout(longest, first_answer(&mut asked)).await {
            Ok((_, Ok(found))) => return Ok(found),
            Ok((host, Err(other))) if !is_final => {
                failure = other;
                let again = ask(host);
                let again = async {
                    sleep(ASK_AGAIN).await;
                    again.await
                };
                asked.push(Asked { host, is_first: false, answer: Box::pin(again) });
            }
            // The next host is asked, or the final failure stays.
            Ok(_) | Err(_) => {}
        }
    }
}

/// A host that was asked.
struct Asked<'h, 'a, H, T> {
    host: &'h H,
    is_first: bool,
    answer: Pin<Box<dyn Future<Output = Result<T, Failure>> + 'a>>,
}

/// Waits for an answer, and takes its host out.
async fn first_answer<'h, H, T>(asked: &mut Vec<Asked<'h, '_, H, T>>) -> (&'h H, Result<T, Failure>) {
    poll_fn(|context| {
        for index in 0..asked.len() {
            if let Some(one) = asked.get_mut(index)
                && let Poll::Ready(answer) = one.answer.as_mut().poll(context)
            {
                return Poll::Ready((asked.swap_remove(index).host, answer));
            }
        }
        Poll::Pending
    })
    .await
}
