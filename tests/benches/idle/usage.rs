//! What this process uses, as Linux tells.
//!
//! The CPU time of a whole process is a count of ticks, which is far off for threads that wake at the ticks. That of a
//! thread is exact, and gone when the thread has ended. So another process adds it up while the threads run.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// The share of a core that this process uses during a time, in percent.
pub(crate) fn cpu_percent(time: Duration) -> Result<f64, Box<dyn Error>> {
    let arguments = [std::process::id().to_string(), time.as_secs().to_string()];
    let output = Command::new(std::env::current_exe()?).arg("cpu-of").args(arguments).output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The other process: prints the share.
pub(crate) fn print_cpu_percent(process: &str, time: Duration) -> Result<(), Box<dyn Error>> {
    let before = thread_times(process)?;
    let (mut last, begun) = (before.clone(), Instant::now());
    while begun.elapsed() < time {
        std::thread::sleep(Duration::from_millis(100));
        last.extend(thread_times(process)?);
    }
    let used: u64 = last.iter().map(|(thread, time)| time - before.get(thread).unwrap_or(&0)).sum();
    println!("{}", Duration::from_nanos(used).as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0);
    Ok(())
}

/// The time that each thread has run, in nanoseconds.
fn thread_times(process: &str) -> Result<HashMap<String, u64>, Box<dyn Error>> {
    let mut times = HashMap::new();
    for thread in fs::read_dir(format!("/proc/{process}/task"))?.flatten() {
        // A thread may end meanwhile.
        if let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) {
            let time = text.split(' ').next().ok_or("no time")?.parse()?;
            times.insert(thread.file_name().to_string_lossy().into_owned(), time);
        }
    }
    Ok(times)
}

/// The number of threads of this process.
pub(crate) fn threads() -> Result<usize, Box<dyn Error>> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

/// The largest number of threads during a time.
pub(crate) fn most_threads(time: Duration) -> Result<usize, Box<dyn Error>> {
    let begun = Instant::now();
    let mut most = 0;
    while begun.elapsed() < time {
        most = most.max(threads()?);
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(most)
}
