//! Commands of a process whose store is out of reach for a while.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use factum::follow::{Commands, FollowerChange, SendError, SentCommand};
use factum::store::StoreError;

use crate::support::kept;
use crate::support::shop::Shop;
use crate::support::stores::LONG;

/// How often the server does not answer: with the delays of a policy, these take a minute and a half.
const FAILURES: u32 = 14;

/// The server of the commands' store does not answer at first.
struct Away {
    commands: Arc<dyn Commands>,
    left: AtomicU32,
}

impl Commands for Away {
    fn send(
        &self,
        command: &SentCommand<'_>,
        refused: &mut dyn FnMut(&dyn Any, &str),
    ) -> Result<(), SendError> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => Err(SendError::Failed(StoreError::Unreachable("nobody answers".into()).into())),
            Err(_) => self.commands.send(command, refused),
        }
    }
}

/// The delays do not grow, or the process would rest long after the server is back.
#[test]
fn a_command_is_sent_soon_after_the_server_is_back() {
    let shop = Shop::with_stock(0);
    let away = Away { commands: shop.commands(), left: FAILURES.into() };
    let (said, heard) = channel();
    let hook = move |change: &FollowerChange| {
        if let FollowerChange::Retrying { attempts, delay, .. } = change {
            let _ = said.send((*attempts, *delay));
        }
    };
    let begun = Instant::now();
    let running = shop.process_with(Arc::new(away)).follow().on_change(hook).start().unwrap();
    shop.place("a", 5);
    while shop.end_of("a").is_none() {
        assert!(begun.elapsed() < LONG, "the command is not sent");
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(running.stop().unwrap());
    let lines: Vec<_> = heard.iter().collect();
    assert_eq!(lines.first(), Some(&(1, Duration::from_millis(10))));
    assert!(lines.iter().all(|(_, delay)| *delay <= Duration::from_millis(50)), "{lines:?}");
    assert!(lines.len() as u64 <= 1 + begun.elapsed().as_secs() / 5, "{lines:?}");
    kept::check(&shop.store);
}
