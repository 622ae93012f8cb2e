//! Processes of the operating system: which one this is, and whether another one has ended.

use std::fmt;
use std::fs;
use std::io;

/// A process of a machine that was started at one moment, so that a reused number is another process.
///
/// Known on Linux only. Elsewhere no process has an `OsProcess`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OsProcess {
    id: u32,
    /// When it began, in ticks since the machine was booted.
    begun: u64,
    /// The namespaces of its number and its clock: containers count for themselves.
    namespace: String,
    /// The boot of the machine.
    boot: String,
    /// The name of the machine; empty if it is not known.
    host: String,
}

impl OsProcess {
    /// This process; `None` if the system does not tell all that is needed.
    pub(crate) fn this() -> Option<Self> {
        let own = Stat::read("self").ok()??;
        // The numbers below `/proc` may be those of another namespace.
        if own.id != std::process::id() {
            return None;
        }
        let namespace = |path: &str| fs::read_link(path).ok()?.into_os_string().into_string().ok();
        // Old systems have one clock for all.
        let clock = namespace("/proc/self/ns/time").unwrap_or_default();
        let namespace = namespace("/proc/self/ns/pid")? + &clock;
        let word = |path: &str| fs::read_to_string(path).ok()?.split_whitespace().next().map(str::to_owned);
        let boot = word("/proc/sys/kernel/random/boot_id")?;
        let host = word("/proc/sys/kernel/hostname").unwrap_or_default();
        Some(Self { id: own.id, begun: own.begun, namespace, boot, host })
    }

    /// Reads what [`Display`](fmt::Display) has written.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            id: words.next()?.parse().ok()?,
            begun: words.next()?.parse().ok()?,
            namespace: words.next()?.to_owned(),
            boot: words.next()?.to_owned(),
            host: words.next().unwrap_or_default().to_owned(),
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The name of its machine, if it is known.
    pub(crate) fn host(&self) -> Option<String> {
        (!self.host.is_empty()).then(|| self.host.clone())
    }

    /// Whether `other` has certainly ended, as this process can tell.
    ///
    /// `false` also if `other` is out of sight: on another machine, in another container, or hidden by the
    /// system.
    pub(crate) fn knows_the_end_of(&self, other: &Self) -> bool {
        // The first process is always there. If it can't be seen, others may be hidden too.
        (&self.namespace, &self.boot) == (&other.namespace, &other.boot)
            && fs::exists("/proc/1").is_ok_and(|exists| exists)
            && match Stat::read(&other.id.to_string()) {
                Ok(Some(stat)) => stat.begun != other.begun || stat.has_ended,
                Ok(None) => false,
                Err(error) => error.kind() == io::ErrorKind::NotFound,
            }
    }
}

impl fmt::Display for OsProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} {}", self.id, self.begun, self.namespace, self.boot, self.host)
    }
}

/// A part of `/proc/<id>/stat`.
struct Stat {
    id: u32,
    begun: u64,
    /// The process has ended, and its parent has not asked for its result yet.
    has_ended: bool,
}

impl Stat {
    /// `None` if the file has another form.
    fn read(process: &str) -> io::Result<Option<Self>> {
        let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
        let Some(mut stat) = Self::parse(&text) else { return Ok(None) };
        // The first thread may end before the others do.
        stat.has_ended &= fs::read_dir(format!("/proc/{process}/task"))?.count() <= 1;
        Ok(Some(stat))
    }

    /// `id (name) state ..`, where the name may contain spaces and brackets; the start is the 22nd word.
    fn parse(text: &str) -> Option<Self> {
        let (id, rest) = text.split_once(' ')?;
        let mut words = rest.rsplit_once(')')?.1.split_whitespace();
        let state = words.next()?;
        let begun = words.nth(18)?.parse().ok()?;
        Some(Self { id: id.parse().ok()?, begun, has_ended: matches!(state, "Z" | "X") })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_until_it_ends() {
        let own = OsProcess::this().unwrap();
        assert_eq!(OsProcess::parse(&own.to_string()).as_ref(), Some(&own));
        assert!(!own.knows_the_end_of(&own));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let stat = Stat::read(&child.id().to_string()).unwrap().unwrap();
        let other = OsProcess { id: child.id(), begun: stat.begun, ..own.clone() };
        assert!(!own.knows_the_end_of(&other));
        // A process with the number of one that has ended.
        assert!(own.knows_the_end_of(&OsProcess { begun: stat.begun - 1, ..other.clone() }));
        child.kill().unwrap();
        while !own.knows_the_end_of(&other) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.wait().unwrap();
        assert!(own.knows_the_end_of(&other));
        for unknown in [
            OsProcess { namespace: "pid:[1]".into(), ..other.clone() },
            OsProcess { boot: "earlier".into(), ..other },
        ] {
            assert!(!own.knows_the_end_of(&unknown), "out of sight");
        }
    }

    #[test]
    fn a_name_with_brackets_does_not_move_the_words() {
        let stat = Stat::parse("7 (a) R (b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20").unwrap();
        assert_eq!((stat.id, stat.begun, stat.has_ended), (7, 4242, false));
    }
}
