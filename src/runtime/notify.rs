//! Notifies a user who is looking elsewhere: bell, the terminal's own notifications, window title, progress, desktop.

use std::time::Duration;

use crate::app::session::window::{Progress, WindowStatus};
use crate::clock::Clock;
use crate::domain::text::{clean, cut_end};
use crate::runtime::child;

/// Clears the progress (OSC 9;4).
pub const PROGRESS_OFF: &str = "\u{1b}]9;4;0;0\u{7}";

/// Longest text, in columns.
const LONGEST: usize = 200;
/// Timeout for the desktop.
const DESKTOP_LIMIT: Duration = Duration::from_secs(2);

/// What the terminal supports, and whether there is a desktop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing a terminal can or cannot")]
pub struct Notifier {
    /// OSC 9: iTerm2, `WezTerm`, Ghostty.
    osc_9: bool,
    /// OSC 777: urxvt, foot.
    osc_777: bool,
    /// OSC 99: kitty.
    osc_99: bool,
    /// OSC 9;4, progress: only for terminals that do not take it for a notification.
    progress: bool,
    /// A local desktop.
    desktop: bool,
}

impl Notifier {
    /// Detects support from the environment. tmux and screen pass on only bell and title.
    pub fn of(environment: impl Fn(&str) -> Option<String>, desktop: bool) -> Self {
        let set = |name: &str| environment(name).is_some_and(|value| !value.is_empty());
        let remote = set("SSH_CONNECTION") || set("SSH_TTY");
        let has_display = set("DISPLAY") || set("WAYLAND_DISPLAY") || cfg!(target_os = "macos");
        let desktop = desktop && has_display && !remote;
        if set("TMUX") || set("STY") {
            return Self { desktop, ..Self::default() };
        }
        let term = environment("TERM").unwrap_or_default();
        let program = environment("TERM_PROGRAM").unwrap_or_default();
        let ghostty = program == "ghostty" || term == "xterm-ghostty";
        Self {
            osc_9: ghostty || matches!(program.as_str(), "iTerm.app" | "WezTerm"),
            osc_777: term.starts_with("rxvt") || term.starts_with("foot"),
            osc_99: term == "xterm-kitty",
            progress: ghostty || set("WT_SESSION") || set("ConEmuANSI"),
            desktop,
        }
    }

    /// The sequence of a notification: the bell, and the supported notifications.
    pub fn sequence(self, title: &str, text: &str) -> String {
        let (title, text) = (safe(title), safe(text));
        let mut out = "\u{7}".to_owned();
        if self.osc_9 {
            out.push_str(&format!("\u{1b}]9;{title}: {text}\u{7}"));
        }
        if self.osc_777 {
            // With OSC 777, a semicolon ends the title.
            let title = title.replace(';', ",");
            out.push_str(&format!("\u{1b}]777;notify;{title};{text}\u{7}"));
        }
        if self.osc_99 {
            out.push_str(&format!(
                "\u{1b}]99;i=skeys:d=0;{title}\u{1b}\\\u{1b}]99;i=skeys:p=body;{text}\u{1b}\\"
            ));
        }
        out
    }

    /// The sequence of window title and progress. `first` saves the previous title.
    pub fn status(self, status: &WindowStatus, first: bool) -> String {
        let mut out = if first { "\u{1b}[22;2t".to_owned() } else { String::new() };
        out.push_str(&format!("\u{1b}]2;{}\u{7}", safe(&status.title)));
        out.push_str(&self.progress(status.progress));
        out
    }

    /// Whether the terminal is known to show progress.
    pub fn shows_progress(self) -> bool {
        self.progress
    }

    /// The sequence of the progress; empty if unsupported.
    pub fn progress(self, progress: Progress) -> String {
        if !self.progress {
            return String::new();
        }
        let (state, percent) = match progress {
            Progress::None => return PROGRESS_OFF.to_owned(),
            Progress::Unknown => (3, 0),
            Progress::Percent(percent) => (1, percent),
            Progress::Blocked(percent) => (2, percent),
        };
        format!("\u{1b}]9;4;{state};{percent}\u{7}")
    }

    /// The sequence that restores the title and clears the progress.
    pub fn no_status(self) -> String {
        format!("{}\u{1b}[23;2t", self.progress(Progress::None))
    }

    /// Notifies the desktop, if there is one. A missing or hanging daemon is no error and blocks nothing.
    pub async fn notify_desktop(self, title: &str, text: &str, clock: &Clock) {
        if !self.desktop {
            return;
        }
        let (title, text) = (safe(title), safe(text));
        let command = if cfg!(target_os = "macos") {
            let mut command = child::command("osascript");
            command
                .args(["-e", "on run argv"])
                .args(["-e", "display notification (item 2 of argv) with title (item 1 of argv)"]);
            command.args(["-e", "end run", "--", &title, &text]);
            command
        } else {
            let mut command = child::command("notify-send");
            command.args(["--app-name=skeys", "--", &title, &text]);
            command
        };
        drop(child::run(clock, DESKTOP_LIMIT, command, "").await);
    }
}

fn safe(text: &str) -> String {
    cut_end(&clean(text), LONGEST)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::app::session::window::{Progress, WindowStatus};
    use crate::clock::Clock;
    use crate::runtime::notify::Notifier;

    fn of(variables: &[(&str, &str)]) -> Notifier {
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Notifier::of(find, true)
    }

    #[test]
    fn each_terminal_gets_what_it_understands_and_all_get_the_bell() {
        for (variables, contains, lacks) in [
            (&[("TERM", "xterm-256color")][..], "\u{7}", "\u{1b}]"),
            (&[("TERM_PROGRAM", "iTerm.app")][..], "\u{1b}]9;shop: stalled\u{7}", "]777"),
            (&[("TERM", "foot")][..], "\u{1b}]777;notify;shop;stalled\u{7}", "]9;"),
            (&[("TERM", "xterm-kitty")][..], "\u{1b}]99;i=skeys:p=body;stalled\u{1b}\\", "]777"),
            (&[("TERM", "xterm-kitty"), ("TMUX", "x")][..], "\u{7}", "\u{1b}]"),
        ] {
            let sequence = of(variables).sequence("shop", "stalled");
            assert!(sequence.starts_with('\u{7}') && sequence.contains(contains), "{sequence:?}");
            assert!(!sequence.contains(lacks), "{sequence:?}");
        }
    }

    #[test]
    fn host_01_a_text_cannot_end_its_own_sequence() {
        let sequence = of(&[("TERM", "foot")]).sequence("a;b\u{7}", "x\u{1b}\\\u{7}]0;evil");
        assert_eq!(sequence.matches('\u{7}').count(), 2, "{sequence:?}");
        assert_eq!(sequence.matches('\u{1b}').count(), 1, "{sequence:?}");
        assert!(sequence.contains("notify;a,b"), "{sequence:?}");
    }

    #[test]
    fn title_and_progress_are_set_and_taken_back() {
        let windows_terminal = of(&[("WT_SESSION", "x")]);
        let status =
            WindowStatus { title: "skeys: a 9/15".into(), progress: Progress::Blocked(60) };
        let sequence = windows_terminal.status(&status, true);
        assert_eq!(sequence, "\u{1b}[22;2t\u{1b}]2;skeys: a 9/15\u{7}\u{1b}]9;4;2;60\u{7}");
        assert_eq!(windows_terminal.no_status(), "\u{1b}]9;4;0;0\u{7}\u{1b}[23;2t");
        assert!(!of(&[("TERM", "xterm")]).status(&status, false).contains("]9;"));
    }

    #[tokio::test]
    async fn clip_05_a_desktop_without_a_daemon_blocks_nothing() {
        // Returns whether or not the command exists, and whatever it answers.
        let notifier = Notifier { desktop: true, ..Notifier::default() };
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let told = tokio::spawn({
            let clock = clock.clone();
            async move { notifier.notify_desktop("-t", "--x", &clock).await }
        });
        while !told.is_finished() {
            clock.turn(std::time::Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        told.await.unwrap();
    }
}
