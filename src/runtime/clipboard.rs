//! The clipboard chain: tmux buffer, the terminal (OSC 52), the desktop. Says which way was taken, and
//! clears only what is still ours where that can be read.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::app::message::Copied;
use crate::app::requests::RequestId;
use crate::clock::Clock;
use crate::domain::failure::{Failure, FailureKind};
use crate::runtime::child::command;
use crate::runtime::loop_input::{LoopInput, LoopSender};

/// Largest text that terminals are known to take by OSC 52, in bytes of base64.
const OSC_52_LIMIT: usize = 74_994;
/// Buffers of tmux that are looked through; it keeps 50 unless told otherwise.
const MOST_BUFFERS: usize = 100;
/// How long `tmux` may take.
const TMUX_LIMIT: Duration = Duration::from_secs(2);

/// A way to the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipboardRoute {
    /// `tmux load-buffer -w -`: default tmux drops OSC 52 from programs, but passes its own on.
    Tmux,
    /// OSC 52 to the terminal, which also works over ssh.
    Terminal,
    /// The clipboard of this machine's desktop.
    Desktop,
}

impl ClipboardRoute {
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

/// A secret that we copied: only what is still ours is cleared.
#[derive(Clone, Copy)]
struct Ours {
    copy: RequestId,
    way: ClipboardRoute,
    /// SHA-256 of the text.
    hash: [u8; 32],
}

/// The clipboard of one run. Clones share it.
#[derive(Clone)]
pub struct Clipboard {
    chain: Vec<ClipboardRoute>,
    clock: Clock,
    terminal: LoopSender,
    // One handle for the whole run: on X11 and Wayland the text vanishes when its owner goes.
    desktop: Arc<Mutex<Option<arboard::Clipboard>>>,
    // At most one for each way: what is copied takes the place of what went the same way before.
    ours: Arc<Mutex<Vec<Ours>>>,
}

impl Clipboard {
    /// A clipboard that tries the given ways in order.
    pub fn new(chain: Vec<ClipboardRoute>, clock: Clock, terminal: LoopSender) -> Self {
        Self {
            chain,
            clock,
            terminal,
            desktop: Arc::new(Mutex::new(None)),
            ours: Arc::new(Mutex::new(Vec::new())),
        }
    }

    /// Copies by the first way that works. `secret`: the number under which it is cleared later. Until something takes
    /// its place, what was copied before stays what it is, and is cleared in its own time.
    ///
    /// # Errors
    /// None works; each way's reason is named.
    pub async fn copy(&self, text: &str, secret: Option<RequestId>) -> Result<Copied, Failure> {
        let mut reasons = Vec::new();
        for way in &self.chain {
            let result = match way {
                ClipboardRoute::Tmux => self.tmux_copy(text).await,
                ClipboardRoute::Terminal => self.terminal_copy(text),
                ClipboardRoute::Desktop => {
                    self.desktop_copy(text.to_owned(), secret.is_some()).await
                }
            };
            match result {
                Ok(()) => {
                    self.take_place(*way, text, secret).await;
                    let (how, can_check) = match way {
                        ClipboardRoute::Tmux => ("Sent to the terminal (tmux)", true),
                        ClipboardRoute::Terminal => ("Sent to the terminal (OSC 52)", false),
                        ClipboardRoute::Desktop => ("Copied", true),
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

    /// A text went this way: it took the place of a secret that had gone the same way.
    async fn take_place(&self, way: ClipboardRoute, text: &str, secret: Option<RequestId>) {
        let hash = hash(text);
        let replaced = {
            let mut ours = lock(&self.ours);
            let replaced = ours.iter().position(|ours| ours.way == way).map(|at| ours.remove(at));
            ours.extend(secret.map(|copy| Ours { copy, way, hash }));
            replaced
        };
        // Elsewhere what is copied takes its place; tmux keeps both.
        if let Some(replaced) =
            replaced.filter(|ours| ours.way == ClipboardRoute::Tmux && ours.hash != hash)
        {
            self.tmux_forget(replaced.hash).await;
        }
    }

    /// Clears what a request copied as a secret, by the way it went; says whether something was cleared.
    pub async fn clear(&self, copy: RequestId) -> bool {
        let ours = {
            let mut all = lock(&self.ours);
            let at = all.iter().position(|ours| ours.copy == copy);
            at.map(|at| all.remove(at))
        };
        let Some(Ours { way, hash: ours, .. }) = ours else { return false };
        match way {
            ClipboardRoute::Tmux => {
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
            ClipboardRoute::Terminal => {
                self.terminal.send(LoopInput::Send("\u{1b}]52;c;!\u{7}".to_owned())).is_ok()
            }
            ClipboardRoute::Desktop => {
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
            .send(LoopInput::Send(format!("\u{1b}]52;c;{encoded}\u{7}")))
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
            let mut child = command("tmux")
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
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

    use crate::app::requests::RequestId;
    use crate::clock::Clock;
    use crate::runtime::clipboard::{Clipboard, ClipboardRoute};
    use crate::runtime::loop_input::{LoopInput, channel};

    fn chain(names: &[&str]) -> Vec<ClipboardRoute> {
        ClipboardRoute::chain(|name| names.contains(&name).then(|| "x".to_owned()))
    }

    #[test]
    fn clip_01_the_chain_fits_where_the_program_runs() {
        assert_eq!(chain(&[]), [ClipboardRoute::Terminal]);
        assert_eq!(chain(&["DISPLAY"]), [ClipboardRoute::Desktop, ClipboardRoute::Terminal]);
        assert_eq!(chain(&["DISPLAY", "SSH_TTY"]), [ClipboardRoute::Terminal]);
        assert_eq!(chain(&["TMUX", "SSH_TTY"]), [ClipboardRoute::Tmux, ClipboardRoute::Terminal]);
    }

    #[tokio::test]
    async fn clip_01_the_terminal_gets_osc_52_and_is_told_to_clear_it() {
        let (sender, mut receiver) = channel();
        let clipboard = Clipboard::new(
            vec![ClipboardRoute::Terminal],
            Clock::by_hand(Timestamp::UNIX_EPOCH),
            sender,
        );
        let copied = clipboard.copy("abc", Some(RequestId(1))).await.unwrap();
        assert_eq!(copied.how, "Sent to the terminal (OSC 52)");
        let Some(LoopInput::Send(sequence)) = receiver.recv().await else { panic!("a sequence") };
        assert_eq!(sequence, "\u{1b}]52;c;YWJj\u{7}");
        assert!(clipboard.clear(RequestId(1)).await);
        assert!(!clipboard.clear(RequestId(1)).await, "cleared once only");
    }

    #[tokio::test]
    async fn cred_12_a_copy_that_fails_leaves_the_kubeconfig_before_it_to_its_own_time() {
        let (sender, mut receiver) = channel();
        let clipboard = Clipboard::new(
            vec![ClipboardRoute::Terminal],
            Clock::by_hand(Timestamp::UNIX_EPOCH),
            sender,
        );
        clipboard.copy("first", Some(RequestId(1))).await.unwrap();
        // More than a terminal takes.
        clipboard.copy(&"x".repeat(80_000), Some(RequestId(2))).await.unwrap_err();
        clipboard.copy(&"x".repeat(80_000), None).await.unwrap_err();
        assert!(!clipboard.clear(RequestId(2)).await, "it was never copied");
        assert!(clipboard.clear(RequestId(1)).await);
        // What takes its place the same way leaves nothing of it to be cleared.
        clipboard.copy("first", Some(RequestId(3))).await.unwrap();
        clipboard.copy("a name", None).await.unwrap();
        assert!(!clipboard.clear(RequestId(3)).await);
        let mut sent = 0;
        while receiver.try_recv().is_ok() {
            sent += 1;
        }
        assert_eq!(sent, 4, "three copies, cleared once");
    }

    #[tokio::test]
    async fn cred_12_a_copy_that_goes_another_way_leaves_the_one_before_it_to_its_own_time() {
        let (sender, mut receiver) = channel();
        let clock = Clock::by_hand(Timestamp::UNIX_EPOCH);
        let mut clipboard = Clipboard::new(vec![ClipboardRoute::Terminal], clock, sender);
        clipboard.copy("first", Some(RequestId(1))).await.unwrap();
        clipboard.take_place(ClipboardRoute::Desktop, "second", Some(RequestId(2))).await;
        clipboard.chain.clear();
        assert!(clipboard.clear(RequestId(1)).await, "the terminal is told");
        receiver.recv().await;
        assert!(receiver.try_recv().is_ok());
        assert!(!clipboard.clear(RequestId(2)).await, "the desktop never had it");
    }

    #[tokio::test]
    async fn clip_04_a_text_too_large_for_the_terminal_is_refused_and_a_file_offered() {
        let (sender, _receiver) = channel();
        let clipboard = Clipboard::new(
            vec![ClipboardRoute::Terminal],
            Clock::by_hand(Timestamp::UNIX_EPOCH),
            sender,
        );
        let failure = clipboard.copy(&"x".repeat(80_000), Some(RequestId(1))).await.unwrap_err();
        assert!(failure.to_string().contains("file"), "{failure}");
    }
}
