//! factum itself, built from nothing, beside its dependencies alone.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::clock::{FORMAT, Time};
use crate::generate::factum;
use crate::median::median;

/// Each takes half a minute. An odd number has a median.
const ROUNDS: u32 = 3;

pub(crate) fn compare(folder: &Path) -> Result<(), Box<dyn Error>> {
    let dependencies = folder.join("dependencies");
    write_hollow(&dependencies)?;
    let (mut whole, mut hollow) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        whole.push(build(&factum(), &folder.join("cold"))?);
        hollow.push(build(&dependencies, &folder.join("cold"))?);
    }
    let cpu = |times: &[Time]| median(times.iter().map(|time| time.cpu));
    let wall = |times: &[Time]| median(times.iter().map(|time| time.wall));
    println!(
        "\nbuilt from nothing, default features: seconds of the processor (on the clock), the median of {ROUNDS} rounds"
    );
    println!("factum                   {:>8.2} ({:.2})", cpu(&whole), wall(&whole));
    println!("its dependencies alone   {:>8.2} ({:.2})", cpu(&hollow), wall(&hollow));
    let ratios = whole.iter().zip(&hollow).map(|(whole, hollow)| whole.cpu / hollow.cpu);
    println!("factum of both           {:>8.3}", median(ratios));
    Ok(())
}

/// Writes the workspace's manifests and lock file with empty crates. Only the dependencies are left, with the
/// same features.
fn write_hollow(folder: &Path) -> Result<(), Box<dyn Error>> {
    for krate in ["macros", "runtime"] {
        fs::create_dir_all(folder.join(krate).join("src"))?;
        fs::write(folder.join(krate).join("src/lib.rs"), "")?;
        fs::copy(factum().join(krate).join("Cargo.toml"), folder.join(krate).join("Cargo.toml"))?;
    }
    let manifest = fs::read_to_string(factum().join("Cargo.toml"))?;
    let members = manifest.lines().map(|line| match line.split_once('=') {
        Some(("members ", _)) => "members = [\"macros\", \"runtime\"]",
        _ => line,
    });
    fs::write(folder.join("Cargo.toml"), members.collect::<Vec<_>>().join("\n"))?;
    fs::copy(factum().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    Ok(())
}

fn build(workspace: &Path, target: &Path) -> Result<Time, Box<dyn Error>> {
    if target.exists() {
        fs::remove_dir_all(target)?;
    }
    let output = Command::new("bash")
        .args(["-c", &format!("{FORMAT}; time \"$@\""), "bash", env!("CARGO")])
        .args(["build", "--package", "factum", "--offline", "--quiet"])
        .current_dir(workspace)
        .env("CARGO_TARGET_DIR", target)
        .stdout(Stdio::null())
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("cargo build in {}: {stderr}", workspace.display()).into());
    }
    Time::parse(stderr.lines().last().unwrap_or_default())
}
