//! The clipboard: tmux buffer, the terminal (OSC 52) or the desktop. Reports the route used; where the clipboard can be
//! read, clears only our own content.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::app::message::Copied;
use crate::app::requests::RequestId;
use crate::clock::Clock;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::secret::Secret;
use crate::runtime::blocking::run_blocking;
use crate::runtime::child;
use crate::runtime::loop_input::{LoopInput, LoopSender};

/// Largest text that terminals are known to accept by OSC 52, in bytes of base64.
const OSC_52_LIMIT: usize = 74_994;
/// Most tmux buffers that are searched; tmux keeps 50 by default.
const MOST_BUFFERS: usize = 100;
/// Characters per string passed through GNU screen; old versions accept 255 bytes.
const SCREEN_STRING: usize = 200;
/// Timeout for tmux and the desktop.
const TOOL_LIMIT: Duration = Duration::from_secs(2);

/// A way to the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipboardRoute {
    /// `tmux load-buffer -w -`: by default tmux drops OSC 52 of programs, but sends its own.
    Tmux,
    /// OSC 52 to the terminal, which also works over ssh.
    Terminal,
    /// OSC 52 wrapped for GNU screen, which drops unknown sequences.
    Screen,
    /// The clipboard of this machine's desktop.
    Desktop,
}

impl ClipboardRoute {
    /// The available routes, best first.
    pub fn available(environment: impl Fn(&str) -> Option<String>) -> Vec<Self> {
        let set = |name| environment(name).is_some_and(|value| !value.is_empty());
        let remote = set("SSH_CONNECTION") || set("SSH_TTY");
        let display = set("DISPLAY") || set("WAYLAND_DISPLAY") || cfg!(target_os = "macos");
        let mut routes = Vec::new();
        if set("TMUX") {
            routes.push(Self::Tmux);
        }
        if display && !remote {
            routes.push(Self::Desktop);
        }
        // tmux inside of screen would not pass the wrapper through.
        let in_screen = set("STY") && !set("TMUX");
        routes.push(if in_screen { Self::Screen } else { Self::Terminal });
        routes
    }

    /// The route in words, for the form.
    pub fn label(self) -> &'static str {
        match self {
            Self::Tmux => "tmux buffer and terminal",
            Self::Terminal => "terminal (OSC 52)",
            Self::Screen => "terminal (OSC 52 past screen)",
            Self::Desktop => "this machine's clipboard",
        }
    }
}

/// A secret that was copied, so that only our own content is cleared.
#[derive(Clone, Copy)]
struct CopiedSecret {
    copy: RequestId,
    route: ClipboardRoute,
    /// SHA-256 of the text.
    hash: [u8; 32],
}

/// The clipboard of one run. Clones share it.
#[derive(Clone)]
pub struct Clipboard {
    routes: Vec<ClipboardRoute>,
    clock: Clock,
    terminal: LoopSender,
    // One handle for the whole run: on X11 and Wayland the content disappears with its owner.
    desktop: Arc<Mutex<Option<arboard::Clipboard>>>,
    // The last secret copied by each route, and those of failed copies that may still arrive.
    secrets: Arc<Mutex<Vec<CopiedSecret>>>,
}

impl Clipboard {
    /// A clipboard that tries the given routes in order.
    pub fn new(routes: Vec<ClipboardRoute>, clock: Clock, terminal: LoopSender) -> Self {
        Self {
            routes,
            clock,
            terminal,
            desktop: Arc::new(Mutex::new(None)),
            secrets: Arc::new(Mutex::new(Vec::new())),
        }
    }

    /// Copies by the first route that works. `secret`: the ID under which it is cleared later. An earlier copy remains
    /// until it is replaced, and is cleared on its own schedule.
    ///
    /// # Errors
    /// No route works; the reason for each is given.
    pub async fn copy(&self, text: &str, secret: Option<RequestId>) -> Result<Copied, Failure> {
        let mut reasons = Vec::new();
        for route in &self.routes {
            let result = match route {
                ClipboardRoute::Tmux => {
                    self.tmux(&["load-buffer", "-w", "-"], text).await.map(|_output| ())
                }
                ClipboardRoute::Terminal | ClipboardRoute::Screen => {
                    self.send_to_terminal(*route, text).await
                }
                ClipboardRoute::Desktop => {
                    let (text, is_secret) = (Zeroizing::new(text.to_owned()), secret.is_some());
                    self.with_desktop(move |clipboard| {
                        let set = clipboard.set();
                        let set = if is_secret { keep_out_of_history(set) } else { set };
                        set.text(text.as_str())
                    })
                    .await
                }
            };
            match result {
                Ok(()) => {
                    self.replace_secret(*route, text, secret).await;
                    let (how, can_check) = match route {
                        ClipboardRoute::Tmux => ("Sent to the terminal (tmux)", true),
                        ClipboardRoute::Terminal | ClipboardRoute::Screen => {
                            ("Sent to the terminal (OSC 52)", false)
                        }
                        ClipboardRoute::Desktop => ("Copied", true),
                    };
                    return Ok(Copied { how: how.to_owned(), can_check });
                }
                Err(failure) => {
                    self.note_late(*route, text, secret);
                    reasons.push(format!("{}: {}", route.label(), failure.message));
                }
            }
        }
        Err(Failure::new(
            FailureKind::Clipboard,
            format!("the clipboard cannot be reached ({})", reasons.join("; ")),
        )
        .hint("Choose a file instead"))
    }

    /// Records a secret whose copy failed. A copy that could not be cancelled may still arrive, and is cleared with the
    /// rest.
    fn note_late(&self, route: ClipboardRoute, text: &str, secret: Option<RequestId>) {
        match route {
            ClipboardRoute::Tmux | ClipboardRoute::Desktop => {
                let hash = hash(text);
                let late = secret.map(|copy| CopiedSecret { copy, route, hash });
                lock(&self.secrets).extend(late);
            }
            // Refused before anything was sent.
            ClipboardRoute::Terminal | ClipboardRoute::Screen => {}
        }
    }

    /// Records a copied text, which replaces a secret copied by the same route.
    async fn replace_secret(&self, route: ClipboardRoute, text: &str, secret: Option<RequestId>) {
        let hash = hash(text);
        let replaced = {
            let mut ours = lock(&self.secrets);
            let replaced: Vec<_> = ours.extract_if(.., |ours| ours.route == route).collect();
            ours.extend(secret.map(|copy| CopiedSecret { copy, route, hash }));
            replaced
        };
        // Elsewhere the new text replaces the old one; tmux keeps both.
        let is_left = |ours: &CopiedSecret| ours.route == ClipboardRoute::Tmux && ours.hash != hash;
        for replaced in replaced.into_iter().filter(is_left) {
            self.delete_from_tmux(replaced.hash).await;
        }
    }

    /// Clears a request's secret from every route it may have reached; returns whether something was cleared.
    pub async fn clear(&self, copy: RequestId) -> bool {
        let ours: Vec<_> = lock(&self.secrets).extract_if(.., |ours| ours.copy == copy).collect();
        let mut cleared = false;
        // The route that succeeded is last, and its result counts; start with it.
        for ours in ours.into_iter().rev() {
            cleared |= self.clear_route(ours).await;
        }
        cleared
    }

    async fn clear_route(&self, CopiedSecret { route, hash: ours, .. }: CopiedSecret) -> bool {
        match route {
            ClipboardRoute::Tmux => {
                let top = self.tmux(&["save-buffer", "-"], "").await.ok();
                let is_ours = top.is_some_and(|top| hash_bytes(&top) == ours);
                let mut blanked = false;
                if is_ours {
                    // tmux accepts no empty buffer: send a blank to the terminal, then delete the buffer.
                    blanked = self.tmux(&["load-buffer", "-w", "-"], " ").await.is_ok();
                    drop(self.tmux(&["delete-buffer"], "").await);
                }
                self.delete_from_tmux(ours).await;
                blanked
            }
            ClipboardRoute::Terminal | ClipboardRoute::Screen => {
                self.terminal.send(LoopInput::Send(osc_52(route, "!"))).await.is_ok()
            }
            ClipboardRoute::Desktop => {
                let clear = move |clipboard: &mut arboard::Clipboard| {
                    let is_ours = hash(&Zeroizing::new(clipboard.get_text()?)) == ours;
                    if is_ours { clipboard.clear().map(|()| true) } else { Ok(false) }
                };
                self.with_desktop(clear).await.unwrap_or(false)
            }
        }
    }

    async fn send_to_terminal(&self, route: ClipboardRoute, text: &str) -> Result<(), Failure> {
        let refuse = |why: String| Failure::new(FailureKind::Clipboard, why);
        let encoded = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(text));
        if encoded.len() > OSC_52_LIMIT {
            return Err(refuse(format!("{} bytes are more than terminals take", text.len())));
        }
        self.terminal
            .send(LoopInput::Send(osc_52(route, &encoded)))
            .await
            .map_err(|_closed| refuse("the terminal is gone".to_owned()))
    }

    /// Deletes our secret from tmux's stack of buffers, at any position.
    async fn delete_from_tmux(&self, ours: [u8; 32]) {
        let names = self.tmux(&["list-buffers", "-F", "#{buffer_name}"], "").await;
        let names = String::from_utf8_lossy(&names.unwrap_or_default()).into_owned();
        for name in names.lines().take(MOST_BUFFERS) {
            let held = self.tmux(&["save-buffer", "-b", name, "-"], "").await;
            if held.is_ok_and(|held| hash_bytes(&held) == ours) {
                drop(self.tmux(&["delete-buffer", "-b", name], "").await);
            }
        }
    }

    /// Runs tmux; the text is passed on standard input, never as an argument.
    async fn tmux(&self, arguments: &[&str], input: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let mut command = child::command("tmux");
        command.args(arguments).stdout(Stdio::piped());
        child::run(&self.clock, TOOL_LIMIT, command, input).await
    }

    /// Uses the desktop clipboard, which is opened on first use.
    async fn with_desktop<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut arboard::Clipboard) -> Result<T, arboard::Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let desktop = Arc::clone(&self.desktop);
        let name = ClipboardRoute::Desktop.label();
        let work = move || {
            // An earlier use that hangs holds the lock.
            let mut desktop =
                desktop.try_lock().map_err(|_busy| arboard::Error::ClipboardOccupied)?;
            if desktop.is_none() {
                *desktop = Some(arboard::Clipboard::new()?);
            }
            desktop.as_mut().map_or(Err(arboard::Error::ContentNotAvailable), work)
        };
        run_blocking(&self.clock, TOOL_LIMIT, name, work).await?.map_err(|error| {
            Failure::new(FailureKind::Clipboard, error.to_string()).caused_by(error)
        })
    }
}

/// The sequence that sets the clipboard. GNU screen passes its own wrapper strings through if each is short.
fn osc_52(route: ClipboardRoute, encoded: &str) -> Secret {
    let parts = ["\u{1b}]52;c;", encoded, "\u{7}"];
    let length = parts.iter().map(|part| part.len()).sum();
    // Full capacity up front: growing would leave copies of a secret behind.
    let mut sequence = String::with_capacity(length);
    sequence.extend(parts);
    let sequence = Secret::new(sequence);
    if route != ClipboardRoute::Screen {
        return sequence;
    }
    let (begin, end) = ("\u{1b}P", "\u{1b}\\");
    let strings = length.div_ceil(SCREEN_STRING);
    let mut wrapped = String::with_capacity(length + strings * (begin.len() + end.len()));
    for (at, letter) in sequence.expose().chars().enumerate() {
        if at.is_multiple_of(SCREEN_STRING) {
            wrapped.push_str(if at == 0 { "" } else { end });
            wrapped.push_str(begin);
        }
        wrapped.push(letter);
    }
    wrapped.push_str(end);
    Secret::new(wrapped)
}

#[cfg(not(target_os = "macos"))]
fn keep_out_of_history(set: arboard::Set<'_>) -> arboard::Set<'_> {
    arboard::SetExtLinux::exclude_from_history(set)
}

#[cfg(target_os = "macos")]
fn keep_out_of_history(set: arboard::Set<'_>) -> arboard::Set<'_> {
    arboard::SetExtApple::exclude_from_history(set)
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

    fn available(names: &[&str]) -> Vec<ClipboardRoute> {
        ClipboardRoute::available(|name| names.contains(&name).then(|| "x".to_owned()))
    }

    #[test]
    fn clip_01_the_chain_fits_where_the_program_runs() {
        assert_eq!(available(&[]), [ClipboardRoute::Terminal]);
        assert_eq!(available(&["DISPLAY"]), [ClipboardRoute::Desktop, ClipboardRoute::Terminal]);
        assert_eq!(available(&["DISPLAY", "SSH_TTY"]), [ClipboardRoute::Terminal]);
        assert_eq!(
            available(&["TMUX", "SSH_TTY"]),
            [ClipboardRoute::Tmux, ClipboardRoute::Terminal]
        );
    }

    #[tokio::test]
    async fn clip_01_the_terminal_gets_osc_52_and_is_told_to_clear_it() {
        let (sender, mut receiver) = channel();
        let clipboard = Clipboard::new(
            vec![ClipboardRoute::Terminal],
            Clock::manual(Timestamp::UNIX_EPOCH),
            sender,
        );
        let copied = clipboard.copy("abc", Some(RequestId(1))).await.unwrap();
        assert_eq!(copied.how, "Sent to the terminal (OSC 52)");
        let Some(LoopInput::Send(sequence)) = receiver.recv().await else { panic!("a sequence") };
        assert_eq!(sequence.expose(), "\u{1b}]52;c;YWJj\u{7}");
        assert!(!format!("{:?}", LoopInput::Send(sequence)).contains("YWJj"));
        assert!(clipboard.clear(RequestId(1)).await);
        assert!(!clipboard.clear(RequestId(1)).await, "cleared once only");
    }

    #[tokio::test]
    async fn tty_16_screen_gets_osc_52_in_strings_that_it_passes_on() {
        assert_eq!(available(&["STY"]), [ClipboardRoute::Screen]);
        let (sender, mut receiver) = channel();
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let clipboard = Clipboard::new(vec![ClipboardRoute::Screen], clock, sender);
        clipboard.copy(&"a".repeat(600), Some(RequestId(1))).await.unwrap();
        assert!(clipboard.clear(RequestId(1)).await);
        let encoded = "YWFh".repeat(200);
        for expected in [format!("\u{1b}]52;c;{encoded}\u{7}"), "\u{1b}]52;c;!\u{7}".to_owned()] {
            let Some(LoopInput::Send(sequence)) = receiver.recv().await else { unreachable!() };
            let strings: Vec<&str> = sequence.expose().split_inclusive("\u{1b}\\").collect();
            assert!(strings.iter().all(|string| string.len() < 256), "{strings:?}");
            let content = |string: &&str| {
                string.strip_prefix("\u{1b}P").unwrap().strip_suffix("\u{1b}\\").unwrap().to_owned()
            };
            assert_eq!(strings.iter().map(content).collect::<String>(), expected);
        }
    }

    #[tokio::test]
    async fn cred_12_a_copy_that_fails_leaves_the_kubeconfig_before_it_to_its_own_time() {
        let (sender, mut receiver) = channel();
        let clipboard = Clipboard::new(
            vec![ClipboardRoute::Terminal],
            Clock::manual(Timestamp::UNIX_EPOCH),
            sender,
        );
        clipboard.copy("first", Some(RequestId(1))).await.unwrap();
        // Larger than terminals accept.
        clipboard.copy(&"x".repeat(80_000), Some(RequestId(2))).await.unwrap_err();
        clipboard.copy(&"x".repeat(80_000), None).await.unwrap_err();
        assert!(!clipboard.clear(RequestId(2)).await, "it was never copied");
        assert!(clipboard.clear(RequestId(1)).await);
        // After a replacement by the same route, nothing is left to clear.
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
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let mut clipboard = Clipboard::new(vec![ClipboardRoute::Terminal], clock, sender);
        clipboard.copy("first", Some(RequestId(1))).await.unwrap();
        clipboard.replace_secret(ClipboardRoute::Desktop, "second", Some(RequestId(2))).await;
        clipboard.routes.clear();
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
            Clock::manual(Timestamp::UNIX_EPOCH),
            sender,
        );
        let failure = clipboard.copy(&"x".repeat(80_000), Some(RequestId(1))).await.unwrap_err();
        assert!(failure.to_string().contains("file"), "{failure}");
    }
}
