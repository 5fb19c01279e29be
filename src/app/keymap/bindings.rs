//! The one table of keys, used for lookup, footer hints, the help overlay, the README and the configuration.

use crate::app::keymap::command::{Command, HelpSection, KeyContext};

/// One row of the table.
#[derive(Debug)]
pub struct Binding {
    /// Name in the configuration's `[keys]`.
    pub id: &'static str,
    pub command: Command,
    /// Section of the help.
    pub section: HelpSection,
    pub contexts: &'static [KeyContext],
    /// Keys, most common first.
    pub keys: &'static [&'static str],
    /// Short label for the footer.
    pub label: &'static str,
    /// One line for the help.
    pub help: &'static str,
    /// Position in the footer, lowest first; `None` hides it.
    pub hint: Option<u8>,
}

impl Binding {
    /// A context in which text could not be typed if this command had this key. A toggle is typed in text fields.
    pub fn context_without(&self, key: &str) -> Option<KeyContext> {
        let types = matches!(key, "space" | "backspace") || key.chars().count() == 1;
        let is_taken = types && self.command != Command::Mark;
        let has_text =
            |context: &&KeyContext| matches!(context, Dialog | Form | KeyContext::Filter);
        self.contexts.iter().copied().filter(|_| is_taken).find(|context| has_text(&context))
    }
}

use HelpSection::{Act, Find, Move, Program, Show};
use KeyContext::{Activity, Cluster, Dialog, Fleet, Form, Help, Menu};

const SCREENS: &[KeyContext] = &[Fleet, Cluster, Activity];
const LISTS: &[KeyContext] = &[Fleet, Cluster, Activity, Menu, Help];
const LISTED: &[KeyContext] = &[Fleet, Cluster, Activity, Menu];
const ON_CLUSTER: &[KeyContext] = &[Fleet, Cluster];

/// One binding per line: id, command, section, contexts, keys, footer label, footer position; then its help.
macro_rules! bindings {
    ($($id:literal, $command:expr, $section:expr, $contexts:expr, $keys:expr, $label:literal, $hint:expr, $help:literal;)+) => {
        &[$(Binding {
            id: $id,
            command: $command,
            section: $section,
            contexts: $contexts,
            keys: &$keys,
            label: $label,
            help: $help,
            hint: $hint,
        }),+]
    };
}

/// All bindings.
pub const BINDINGS: &[Binding] = bindings! {
    "open", Command::Open, Show, LISTED, ["enter"], "open", Some(10), "open or select";
    "press", Command::Open, Show, &[Dialog, Form], ["enter"], "press", Some(10),
        "press the focused button, or go to the next field";
    "rotate", Command::Rotate, Act, ON_CLUSTER, ["R"], "rotate", Some(20),
        "start or complete the rotation, whichever is due";
    "kubeconfig", Command::Kubeconfig, Act, ON_CLUSTER, ["K"], "kubeconfig", Some(30), "issue a kubeconfig";
    "submit", Command::Submit, Act, &[Form], ["ctrl-o"], "issue", Some(15),
        "issue or save the kubeconfig, from any field";
    "filter", Command::Filter, Find, &[Fleet], ["/"], "filter", Some(40),
        "filter: text, ~fuzzy, !not, phase:prepared, project:, region:, state:, age:>90d, stuck, due, marked";
    "search", Command::Filter, Find, &[Cluster, Activity, Help], ["/"], "search", Some(55),
        "search in the nodes, the activity or the help";
    "next-match", Command::NextMatch, Find, &[Cluster, Activity], ["n"], "next match", None, "go to the next match";
    "previous-match", Command::PreviousMatch, Find, &[Cluster, Activity], ["N"], "previous match", None,
        "go to the previous match";
    "up", Command::Up, Move, LISTS, ["up", "k"], "up", None, "move up";
    "down", Command::Down, Move, LISTS, ["down", "j"], "down", None, "move down";
    "page-up", Command::PageUp, Move, LISTS, ["pageup", "ctrl-b"], "page up", None, "move up one page";
    "page-down", Command::PageDown, Move, LISTS, ["pagedown", "ctrl-f"], "page down", None, "move down one page";
    "half-page-up", Command::HalfPageUp, Move, LISTS, ["ctrl-u"], "half page up", None, "move up half a page";
    "half-page-down", Command::HalfPageDown, Move, LISTS, ["ctrl-d"], "half page down", None, "move down half a page";
    "first", Command::First, Move, LISTS, ["g", "home"], "first", None, "go to the first";
    "last", Command::Last, Move, LISTS, ["G", "end"], "last", None, "go to the last";
    "enter-row", Command::Right, Move, &[Fleet, Activity], ["right", "l"], "open", None,
        "open what is under the cursor";
    "leave", Command::Left, Move, &[Activity], ["left", "h"], "back", None, "go back";
    "previous-tab", Command::Previous, Move, &[Cluster], ["shift-tab", "left", "h"], "previous tab", None,
        "previous tab";
    "next-tab", Command::Next, Move, &[Cluster], ["tab", "right", "l"], "next tab", Some(45), "next tab";
    "previous-field", Command::Previous, Move, &[Dialog, Form], ["shift-tab"], "back", None, "previous field";
    "next-field", Command::Next, Move, &[Dialog, Form], ["tab"], "next", Some(20), "next field";
    "left", Command::Left, Move, &[Dialog, Form], ["left"], "left", None, "previous button or preset";
    "right", Command::Right, Move, &[Dialog, Form], ["right"], "change", Some(40), "next button or preset";
    "field-up", Command::Up, Move, &[Form], ["up"], "up", None, "previous choice or field";
    "field-down", Command::Down, Move, &[Form], ["down"], "down", None, "next choice or field";
    "choose", Command::Mark, Find, &[Form, Menu], ["space"], "toggle", Some(30), "select or toggle";
    "mark", Command::Mark, Find, &[Fleet], ["space"], "mark", Some(60),
        "mark or unmark the cluster, to copy names or to filter by marked";
    "mark-row", Command::Mark, Find, &[Cluster], ["space"], "mark", Some(11),
        "credentials: mark the entry, K renews all marked ones; checklist: mark the client as done or open";
    "forget", Command::Forget, Act, &[Cluster], ["f"], "forget", Some(16),
        "credentials: forget a kubeconfig that was copied or printed and thrown away; it is not revoked";
    "add-client", Command::Add, Act, &[Cluster], ["a"], "add", Some(12), "checklist: add a client";
    "remove-client", Command::Remove, Act, &[Cluster], ["x", "delete"], "remove", Some(14),
        "checklist: remove the client";
    "share", Command::Share, Act, &[Cluster], ["S"], "share", Some(13),
        "checklist: share it with colleagues through the cluster, or stop sharing it";
    "mark-all", Command::MarkAll, Find, &[Fleet], ["a"], "mark all", None, "mark or unmark all shown clusters";
    "sort", Command::Sort, Find, &[Fleet], ["s"], "sort", Some(70),
        "sort: s, then the letter of a column";
    "columns", Command::Columns, Show, &[Fleet], ["c"], "columns", Some(80), "select the columns";
    "preview", Command::Preview, Show, &[Fleet], ["p"], "preview", None, "show or hide the preview";
    "scope", Command::Scope, Find, SCREENS, ["P"], "scope", Some(96),
        "select the profile, project and region to list";
    "reload", Command::Reload, Program, SCREENS, [], "reload", None,
        "reload the configuration and restart the dashboard";
    "activity", Command::Activity, Show, ON_CLUSTER, ["A"], "activity", Some(75), "show the activity log";
    "wake-up", Command::WakeUp, Act, ON_CLUSTER, ["W"], "wake up", Some(25), "wake up a hibernated cluster";
    "reconcile", Command::Reconcile, Act, ON_CLUSTER, ["C"], "reconcile", Some(20),
        "reconcile the cluster with its configuration";
    "watch", Command::Watch, Act, ON_CLUSTER, ["w"], "watch", Some(65),
        "turn notifications about this cluster on or off: bell, desktop, window title";
    "events", Command::Events, Show, &[Cluster], ["e"], "details", Some(46),
        "show the selected node in full, with all events; arrows scroll";
    "number-1", Command::Number(1), Find, ON_CLUSTER, ["1"], "tab 1", None,
        "first tab; in the fleet: filter by the first count";
    "number-2", Command::Number(2), Find, ON_CLUSTER, ["2"], "tab 2", None, "second tab or count";
    "number-3", Command::Number(3), Find, ON_CLUSTER, ["3"], "tab 3", None, "third tab or count";
    "number-4", Command::Number(4), Find, ON_CLUSTER, ["4"], "tab 4", None, "fourth tab or count";
    "number-5", Command::Number(5), Find, ON_CLUSTER, ["5"], "tab 5", None, "fifth tab or count";
    "number-6", Command::Number(6), Find, ON_CLUSTER, ["6"], "tab 6", None, "sixth tab or count";
    "number-7", Command::Number(7), Find, &[Fleet], ["7"], "count 7", None, "seventh count";
    "copy", Command::Copy, Act, SCREENS, ["y"], "copy", Some(50),
        "copy: name, ids, last error, API call, kubectl command";
    "export", Command::Export, Act, SCREENS, ["ctrl-s"], "export", None,
        "export what is listed: CSV, JSON or Markdown, to a file or the clipboard";
    "copy-dialog", Command::Copy, Act, &[Dialog], ["ctrl-y"], "copy", Some(50), "copy the API call or the full error";
    "refresh", Command::Refresh, Act, SCREENS, ["r"], "refresh", Some(90), "refresh now";
    "commands", Command::Palette, Find, SCREENS, [":"], "commands", Some(95),
        "list all commands; also accepts scope or profile with a name, a filter such as phase prepared, or a cluster name";
    "log-in", Command::LogIn, Program, SCREENS, ["I"], "log in", None,
        "log in again with the stackit CLI, then return here";
    "theme", Command::Theme, Show, SCREENS, ["T"], "theme", None, "next theme";
    "utc", Command::Utc, Show, SCREENS, ["u"], "UTC", None, "switch between UTC and local time";
    "mouse", Command::Mouse, Show, SCREENS, ["%"], "mouse", None, "turn the mouse on or off";
    "log", Command::Log, Show, SCREENS, ["L"], "log", None, "show the diagnostic log";
    "help", Command::Help, Show, SCREENS, ["?", "f1"], "help", Some(99), "show this help";
    "help-dialog", Command::Help, Show, &[Dialog, Form], ["f1"], "help", None, "show this help";
    "back", Command::Back, Program, &[Fleet, Cluster, Activity], ["esc", "backspace"], "back", Some(97),
        "go back; in the fleet: clear the filter, then the message";
    "cancel", Command::Back, Program, &[Dialog, Form, Menu, Help, KeyContext::Filter], ["esc"], "cancel", Some(90),
        "close without changes";
    "accept", Command::Open, Show, &[KeyContext::Filter], ["enter"], "apply", Some(10),
        "apply the filter or the search";
    "quit", Command::Quit, Program, &[Fleet, Cluster, Activity, Menu, Help], ["q"], "quit", Some(97),
        "go back; in the fleet: quit";
    "interrupt", Command::Interrupt, Program, &KeyContext::ALL, ["ctrl-c"], "quit", None,
        "quit; asks first while a request is pending";
    "redraw", Command::Redraw, Program, &KeyContext::ALL, ["ctrl-l"], "redraw", None, "redraw the screen";
    "suspend", Command::Suspend, Program, &KeyContext::ALL, ["ctrl-z"], "suspend", None, "suspend; fg resumes";
};
