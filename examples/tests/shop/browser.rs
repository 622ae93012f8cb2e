//! A browser without a window, if one is installed: Chromium, which takes its orders as JSON over two pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// A browser with one page. It is killed when this is dropped.
pub struct Browser {
    child: Child,
    send: ChildStdin,
    receive: BufReader<ChildStdout>,
    session: Option<String>,
    calls: u64,
    errors: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts the browser; `None` if none is installed.
    pub fn start() -> Option<Self> {
        let program = find()?;
        let profile = tempfile::tempdir().expect("a folder");
        // The browser reads from its file 3, and writes to its file 4.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#])
            .arg(program)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the shell starts");
        let send = child.stdin.take().expect("it is piped");
        let receive = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut browser =
            Self { child, send, receive, session: None, calls: 0, errors: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        browser.call("Runtime.enable", &json!({}));
        browser.call("Page.enable", &json!({}));
        Some(browser)
    }

    /// Opens an address.
    pub fn open(&mut self, url: &str) {
        let opened = self.call("Page.navigate", &json!({ "url": url }));
        assert_eq!(opened["errorText"], Value::Null, "{url}: {opened}");
    }

    /// The value of an expression in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let evaluate = json!({ "expression": expression, "returnByValue": true });
        self.call("Runtime.evaluate", &evaluate)["result"]["value"].take()
    }

    /// The errors that no script has caught.
    pub fn errors(&mut self) -> Vec<String> {
        std::mem::take(&mut self.errors)
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            call["sessionId"] = session.as_str().into();
        }
        self.send.write_all(format!("{call}\0").as_bytes()).expect("the browser runs");
        loop {
            let mut message = Vec::new();
            self.receive.read_until(0, &mut message).expect("the browser runs");
            assert_eq!(message.pop(), Some(0), "the browser has ended");
            let mut message: Value = serde_json::from_slice(&message).expect("JSON");
            if message["method"] == "Runtime.exceptionThrown" {
                self.errors.push(message["params"]["exceptionDetails"].to_string());
            }
            if message["id"] == self.calls {
                assert_eq!(message["error"], Value::Null, "{method}: {message}");
                return message["result"].take();
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It has ended already, or is to end now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The file of a Chromium: the one that `CHROME` names, one on the path, or one that Playwright has.
fn find() -> Option<PathBuf> {
    if let Some(chrome) = std::env::var_os("CHROME") {
        return Some(chrome.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut on_path = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    on_path.find(|file| file.is_file()).or_else(|| {
        let home = PathBuf::from(std::env::var_os("HOME")?);
        let caches = std::fs::read_dir(home.join(".cache/ms-playwright")).ok()?;
        let files = caches.flatten().map(|cache| cache.path().join("chrome-linux/chrome"));
        files.into_iter().find(|file| file.is_file())
    })
}
