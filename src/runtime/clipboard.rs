//! The clipboard chain: tmux buffer, the terminal (OSC 52), the desktop. Says which way was taken, and
//! clears only what is still ours where that can be read.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::mpsc::UnboundedSender;

use crate::app::message::Copied;
use crate::clock::Clock;
use crate::domain::failure::{Failure, FailureKind};
use crate::runtime::perform::Incoming;

/// Largest text that terminals are known to take by OSC 52, in bytes of base64.
const OSC_52_LIMIT: usize = 74_994;
/// Buffers of tmux that are looked through; it keeps 50 unless told otherwise.
const MOST_BUFFERS: usize = 100;
/// How long `tmux` may take.
const TMUX_LIMIT: Duration = Duration::from_secs(2);

/// A way to the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `tmux load-buffer -w -`: default tmux drops OSC 52 from programs, but passes its own on.
    Tmux,
    /// OSC 52 to the terminal, which also works over ssh.
    Terminal,
    /// The clipboard of this machine's desktop.
    Desktop,
}

impl Way {
    /// The ways that exist here, best first.
    pub fn chain(environment: impl Fn(&str) -> Option<String>) -> Vec<Self> {
        let set = |name| environment(name).is_some_and(|value| !value.is_empty());
        let remote = set("SSH_CONNECTION") || set("SSH_TTY");
        let display =
            set("DISPLAY") || set("WAYLAND_DISPLAY") || cfg!(any(target_os = "macos", windows));
        let mut chain = Vec::new();
        if set("TMUX") {
            chain.push(Self::Tmux);
        }
        if display && !remote {
            chain.push(Self::Desktop);
        }
        chain.push(Self::Terminal);
        chain
    }

    /// The way in words, for the form.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tmux => "tmux buffer and terminal",
            Self::Terminal => "terminal (OSC 52)",
            Self::Desktop => "this machine's clipboard",
        }
    }
}

/// The way that our last secret went, and its hash: only what is still ours is cleared.
type Ours = (Way, [u8; 32]);

/// The clipboard of one run. Clones share it.
#[derive(Clone)]
pub struct Clipboard {
    chain: Vec<Way>,
    clock: Clock,
    terminal: UnboundedSender<Incoming>,
    // One handle for the whole run: on X11 and Wayland the text vanishes when its owner goes.
    desktop: Arc<Mutex<Option<arboard::Clipboard>>>,
    ours: Arc<Mutex<Option<Ours>>>,
}

impl Clipboard {
    /// A clipboard that tries the given ways in order.
    pub fn new(chain: Vec<Way>, clock: Clock, terminal: UnboundedSender<Incoming>) -> Self {
        Self {
            chain,
            clock,
            terminal,
            desktop: Arc::new(Mutex::new(None)),
            ours: Arc::new(Mutex::new(None)),
        }
    }

    /// Copies by the first way that works.
    ///
    /// # Errors
    /// None works; each way's reason is named.
    pub async fn copy(&self, text: &str, secret: bool) -> Result<Copied, Failure> {
        let before = lock(&self.ours).take();
        if let Some((Way::Tmux, ours)) = before {
            // Elsewhere what is copied takes its place; tmux keeps both.
            self.tmux_forget(ours).await;
        }
        let mut reasons = Vec::new();
        for way in &self.chain {
            let result = match way {
                Way::Tmux => self.tmux_copy(text).await,
                Way::Terminal => self.terminal_copy(text),
                Way::Desktop => self.desktop_copy(text.to_owned(), secret).await,
            };
            match result {
                Ok(()) => {
                    *lock(&self.ours) = secret.then(|| (*way, hash(text)));
                    let (how, can_check) = match way {
                        Way::Tmux => ("Sent to the terminal (tmux)", true),
                        Way::Terminal => ("Sent to the terminal (OSC 52)", false),
                        Way::Desktop => ("Copied", true),
                    };
                    return Ok(Copied { how: how.to_owned(), can_check });
                }
                Err(reason) => reasons.push(format!("{}: {reason}", way.word())),
            }
        }
        Err(Failure::new(
            FailureKind::Clipboard,
            format!("the clipboard cannot be reached ({})", reasons.join("; ")),
        )
        .hint("Choose a file instead"))
    }

    /// Clears what was copied last as a secret, by the way it went; says whether something was cleared.
    pub async fn clear(&self) -> bool {
        let Some((way, ours)) = lock(&self.ours).take() else { return false };
        match way {
            Way::Tmux => {
                let top = self.tmux(&["save-buffer", "-"], None).await.ok();
                let is_ours = top.is_some_and(|top| hash_bytes(&top) == ours);
                let mut blanked = false;
                if is_ours {
                    // tmux takes no empty buffer; a blank goes to the terminal, then the buffer goes.
                    blanked = self.tmux(&["load-buffer", "-w", "-"], Some(" ")).await.is_ok();
                    drop(self.tmux(&["delete-buffer"], None).await);
                }
                self.tmux_forget(ours).await;
                blanked
            }
            Way::Terminal => {
                self.terminal.send(Incoming::Send("\u{1b}]52;c;!\u{7}".to_owned())).is_ok()
            }
            Way::Desktop => {
                let desktop = Arc::clone(&self.desktop);
                tokio::task::spawn_blocking(move || {
                    let mut desktop = lock(&desktop);
                    let Some(clipboard) = desktop.as_mut() else { return false };
                    let is_ours = clipboard.get_text().is_ok_and(|text| hash(&text) == ours);
                    is_ours && clipboard.clear().is_ok()
                })
                .await
                .unwrap_or(false)
            }
        }
    }

    fn terminal_copy(&self, text: &str) -> Result<(), String> {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        if encoded.len() > OSC_52_LIMIT {
            return Err(format!("{} bytes are more than terminals take", text.len()));
        }
        self.terminal
            .send(Incoming::Send(format!("\u{1b}]52;c;{encoded}\u{7}")))
            .map_err(|_closed| "the terminal is gone".to_owned())
    }

    async fn desktop_copy(&self, text: String, secret: bool) -> Result<(), String> {
        let desktop = Arc::clone(&self.desktop);
        tokio::task::spawn_blocking(move || {
            let mut desktop = lock(&desktop);
            if desktop.is_none() {
                *desktop = Some(arboard::Clipboard::new().map_err(|error| error.to_string())?);
            }
            let Some(clipboard) = desktop.as_mut() else { return Err("no clipboard".to_owned()) };
            let set = clipboard.set();
            let set = if secret { keep_out_of_history(set) } else { set };
            set.text(text).map_err(|error| error.to_string())
        })
        .await
        .map_err(|error| error.to_string())?
    }

    async fn tmux_copy(&self, text: &str) -> Result<(), String> {
        self.tmux(&["load-buffer", "-w", "-"], Some(text)).await.map(|_output| ())
    }

    /// Takes our secret out of tmux's stack of buffers, wherever it lies by now.
    async fn tmux_forget(&self, ours: [u8; 32]) {
        let names = self.tmux(&["list-buffers", "-F", "#{buffer_name}"], None).await;
        let names = String::from_utf8_lossy(&names.unwrap_or_default()).into_owned();
        for name in names.lines().take(MOST_BUFFERS) {
            let held = self.tmux(&["save-buffer", "-b", name, "-"], None).await;
            if held.is_ok_and(|held| hash_bytes(&held) == ours) {
                drop(self.tmux(&["delete-buffer", "-b", name], None).await);
            }
        }
    }

    /// Runs tmux; the text goes through standard input, never into an argument.
    async fn tmux(&self, arguments: &[&str], input: Option<&str>) -> Result<Vec<u8>, String> {
        let run = async {
            let mut child = Command::new("tmux")
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .map_err(|error| error.to_string())?;
            if let Some(mut stdin) = child.stdin.take() {
                if let Some(input) = input {
                    stdin.write_all(input.as_bytes()).await.map_err(|error| error.to_string())?;
                }
                drop(stdin);
            }
            let output = child.wait_with_output().await.map_err(|error| error.to_string())?;
            if output.status.success() {
                Ok(output.stdout)
            } else {
                Err(format!("tmux ended with {}", output.status))
            }
        };
        self.clock
            .timeout(TMUX_LIMIT, run)
            .await
            .unwrap_or_else(|| Err("tmux does not answer".to_owned()))
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
fn keep_out_of_history(set: arboard::Set<'_>) -> arboard::Set<'_> {
    arboard::SetExtLinux::exclude_from_history(set)
}

#[cfg(target_os = "macos")]
fn keep_out_of_history(set: arboard::Set<'_>) -> arboard::Set<'_> {
    arboard::SetExtApple::exclude_from_history(set)
}

#[cfg(windows)]
fn keep_out_of_history(set: arboard::Set<'_>) -> arboard::Set<'_> {
    use arboard::SetExtWindows;
    set.exclude_from_history().exclude_from_cloud()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hash(text: &str) -> [u8; 32] {
    hash_bytes(text.as_bytes())
}

fn hash_bytes(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tokio::sync::mpsc;

    use crate::clock::Clock;
    use crate::runtime::clipboard::{Clipboard, Way};
    use crate::runtime::perform::Incoming;

    fn chain(names: &[&str]) -> Vec<Way> {
        Way::chain(|name| names.contains(&name).then(|| "x".to_owned()))
    }

    #[test]
    fn clip_01_the_chain_fits_where_the_program_runs() {
        assert_eq!(chain(&[]), [Way::Terminal]);
        assert_eq!(chain(&["DISPLAY"]), [Way::Desktop, Way::Terminal]);
        assert_eq!(chain(&["DISPLAY", "SSH_TTY"]), [Way::Terminal]);
        assert_eq!(chain(&["TMUX", "SSH_TTY"]), [Way::Tmux, Way::Terminal]);
    }

    #[tokio::test]
    async fn clip_01_the_terminal_gets_osc_52_and_is_told_to_clear_it() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let clipboard =
            Clipboard::new(vec![Way::Terminal], Clock::by_hand(Timestamp::UNIX_EPOCH), sender);
        let copied = clipboard.copy("abc", true).await.unwrap();
        assert_eq!(copied.how, "Sent to the terminal (OSC 52)");
        let Some(Incoming::Send(sequence)) = receiver.recv().await else { panic!("a sequence") };
        assert_eq!(sequence, "\u{1b}]52;c;YWJj\u{7}");
        assert!(clipboard.clear().await);
        assert!(!clipboard.clear().await, "cleared once only");
    }

    #[tokio::test]
    async fn clip_04_a_text_too_large_for_the_terminal_is_refused_and_a_file_offered() {
        let (sender, _receiver) = mpsc::unbounded_channel();
        let clipboard =
            Clipboard::new(vec![Way::Terminal], Clock::by_hand(Timestamp::UNIX_EPOCH), sender);
        let failure = clipboard.copy(&"x".repeat(80_000), true).await.unwrap_err();
        assert!(failure.to_string().contains("file"), "{failure}");
    }
}
