//! Lists to choose from: order, columns, what to copy, all commands.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "keys and commands that mean nothing here are ignored"
)]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::Input;

use crate::app::availability::due_step;
use crate::app::columns::COLUMNS;
use crate::app::dialog::{Dialog, Menu, MenuItems};
use crate::app::effect::Effect;
use crate::app::keymap::{BINDINGS, Command, Context};
use crate::app::state::State;
use crate::app::update::{kubeconfig, navigation, notices, select};
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::credential::KubeconfigLocation;
use crate::domain::kubectl::Kubectl;
use crate::domain::rotation::Step;
use crate::domain::shell;

/// Opens the menu of orders on the present one.
pub fn open_sort(state: &mut State) {
    let cursor = COLUMNS.iter().position(|c| c.sort == state.look.sort).unwrap_or(0);
    state.dialog =
        Some(Dialog::Menu(Menu { kind: MenuItems::Sort, cursor, query: Input::default() }));
}

/// Opens the menu of columns.
pub fn open_columns(state: &mut State) {
    state.dialog =
        Some(Dialog::Menu(Menu { kind: MenuItems::Columns, cursor: 0, query: Input::default() }));
}

/// Opens the menu of what can be copied here.
pub fn open_copy(state: &mut State) {
    let items = copy_items(state);
    if items.is_empty() {
        notices::toast(state, "Nothing to copy here.".to_owned());
        return;
    }
    state.dialog = Some(Dialog::Menu(Menu {
        kind: MenuItems::Copy(items),
        cursor: 0,
        query: Input::default(),
    }));
}

/// Opens the list of all commands that hold on this screen.
pub fn open_commands(state: &mut State) {
    state.dialog = Some(Dialog::Menu(Menu {
        kind: MenuItems::Commands(commands(state, "")),
        cursor: 0,
        query: Input::default(),
    }));
}

fn commands(state: &State, query: &str) -> Vec<(Command, String, String)> {
    let context = match state.screen {
        crate::app::state::Screen::Fleet => Context::Fleet,
        crate::app::state::Screen::Cluster { .. } => Context::Cluster,
        crate::app::state::Screen::Activity(_) => Context::Activity,
    };
    let wanted = query.to_lowercase();
    BINDINGS
        .iter()
        .filter(|binding| binding.contexts.contains(&context) && is_named(binding.command))
        .filter(|binding| {
            wanted.is_empty()
                || binding.id.contains(&wanted)
                || binding.help.to_lowercase().contains(&wanted)
        })
        .map(|binding| (binding.command, binding.id.to_owned(), binding.help.to_owned()))
        .collect()
}

/// Whether a command is looked for by its name: one does not move about that way, nor open the palette from within.
fn is_named(command: Command) -> bool {
    !matches!(
        command,
        Command::Palette
            | Command::Up
            | Command::Down
            | Command::PageUp
            | Command::PageDown
            | Command::First
            | Command::Last
            | Command::Left
            | Command::Right
            | Command::Next
            | Command::Previous
            | Command::Number(_)
            | Command::Back
            | Command::Interrupt
    )
}

/// Which nodes there are in which pool and zone, and what becomes of them.
const WATCH_NODES: &str = "get nodes -L worker.gardener.cloud/pool,topology.kubernetes.io/zone -w";

fn copy_items(state: &State) -> Vec<(String, String)> {
    let mut items = Vec::new();
    let mut add = |what: &str, text: String| items.push((what.to_owned(), text));
    if let Some(failure) = state.errors.back() {
        add("error, whole", failure.full_text());
    }
    let record = state.record_at_cursor();
    if let Some(record) = record {
        add("this entry, as one line", record.line());
        if let Some(trace) = &record.trace {
            add("its trace id", trace.clone());
        }
    }
    if !state.look.marks.is_empty() {
        let names: Vec<&str> = state.look.marks.iter().map(|id| id.name.as_str()).collect();
        add("marked names", names.join("\n"));
    }
    if let Some(entry) = state.subject() {
        let cluster = &entry.cluster;
        let id = &cluster.id;
        add("cluster name", id.name.to_string());
        add("project id", id.project().to_string());
        let context = context_of(state, cluster);
        let context = context.as_deref();
        add("watch the nodes", Kubectl::plain(WATCH_NODES).line(context));
        let roll = state.observed.get(id).and_then(|observed| observed.roll.as_ref());
        for blocker in roll.iter().flat_map(|roll| &roll.blockers).take(3) {
            if let Some(command) = &blocker.command {
                add(&blocker.object_text(), command.line(context));
            }
        }
        if let Some(node) = state.node_at_cursor() {
            add("node name", node.name.clone());
            if let Some(command) = Kubectl::about(None, "describe node", &node.name, "") {
                add("describe the node", command.line(context));
            }
        }
        if let Some(step) = due_step(state) {
            let call = api_call(&state.settings.ske, id, step);
            add(&format!("API call: {step}"), call);
        }
        if let Some(problem) = cluster.problems.first() {
            add("SKE's error", format!("{}: {}", problem.code, problem.message));
        }
    }
    if record.is_none()
        && let Some(trace) = state.activity.iter().rev().find_map(|record| record.trace.clone())
    {
        add("last trace id", trace);
    }
    items
}

/// The context in which a cluster is found: where its kubeconfig went, else the name that skeys would give it.
fn context_of(state: &State, cluster: &Cluster) -> Option<String> {
    let held = state.fleet.credentials.best(cluster, state.server_now());
    match held.map(|(access, _)| &access.place) {
        Some(KubeconfigLocation::File { context, .. }) => Some(context.clone()),
        _ => kubeconfig::names(state, &cluster.id).into_iter().next(),
    }
}

/// The call of the API at `ske` as a command line; the token stays a variable.
pub fn api_call(ske: &str, id: &ClusterId, step: Step) -> String {
    let segment =
        |text: &str| -> String {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            text.bytes()
                .map(|byte| {
                    if is_plain(byte) {
                        char::from(byte).to_string()
                    } else {
                        format!("%{byte:02X}")
                    }
                })
                .collect()
        };
    let url = format!(
        "{}/v2/projects/{}/regions/{}/clusters/{}/{}",
        ske.trim_end_matches('/'),
        segment(id.project().as_str()),
        segment(id.region().as_str()),
        segment(id.name.as_str()),
        step.endpoint()
    );
    let url = shell::quote(&url).unwrap_or_default();
    format!("curl -X POST -H \"Authorization: Bearer $STACKIT_ACCESS_TOKEN\" {url}")
}

/// A key in a menu.
pub fn key(state: &mut State, command: Option<Command>, key: KeyEvent) -> Vec<Effect> {
    let page = state.metrics.page_rows.max(1);
    let Some(Dialog::Menu(menu)) = &mut state.dialog else { return Vec::new() };
    if matches!(menu.kind, MenuItems::Commands(_)) && edits_query(menu, key) {
        let query = menu.query.value().to_owned();
        let found = commands(state, &query);
        if let Some(Dialog::Menu(menu)) = &mut state.dialog {
            menu.kind = MenuItems::Commands(found);
            menu.cursor = 0;
        }
        return Vec::new();
    }
    let last = menu.len().saturating_sub(1);
    // What the menu of columns says about the preview can be done from here.
    if matches!(menu.kind, MenuItems::Columns)
        && state.keymap.lookup(Context::Fleet, key) == Some(Command::Preview)
    {
        state.look.preview = !state.look.preview;
        return Vec::new();
    }
    match command {
        Some(Command::Back | Command::Quit) => state.dialog = None,
        // The palette took the blank as text before.
        Some(Command::Open | Command::Mark) => return choose(state),
        Some(command) => {
            menu.cursor =
                navigation::moved(command, menu.cursor, page, last).unwrap_or(menu.cursor);
        }
        None => {}
    }
    Vec::new()
}

fn edits_query(menu: &mut Menu, key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Char(c)
            if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) =>
        {
            menu.query.handle(tui_input::InputRequest::InsertChar(c));
            true
        }
        KeyCode::Backspace => {
            menu.query.handle(tui_input::InputRequest::DeletePrevChar);
            true
        }
        _ => false,
    }
}

fn choose(state: &mut State) -> Vec<Effect> {
    let Some(Dialog::Menu(menu)) = &state.dialog else { return Vec::new() };
    let cursor = menu.cursor;
    match &menu.kind {
        MenuItems::Sort => {
            if let Some(column) = COLUMNS.get(cursor) {
                state.look.reversed = state.look.sort == column.sort && !state.look.reversed;
                state.look.sort = column.sort;
            }
            state.dialog = None;
            select(state);
            vec![notices::kept(state)]
        }
        MenuItems::Columns => {
            // The first two, glyph and name, are always there.
            if let Some(column) = COLUMNS.get(cursor + 2) {
                toggle_column(state, column.id);
            }
            vec![notices::kept(state)]
        }
        MenuItems::Copy(items) => {
            let chosen = items.get(cursor).cloned();
            state.dialog = None;
            chosen.map(|(what, text)| notices::copy(state, what, text)).into_iter().collect()
        }
        MenuItems::Commands(items) => {
            let chosen = items.get(cursor).map(|(command, ..)| *command);
            state.dialog = None;
            chosen.map_or_else(Vec::new, |command| navigation::run(state, command))
        }
    }
}

fn toggle_column(state: &mut State, id: &str) {
    let mut chosen: Vec<String> =
        state.chosen_columns().map(|column| column.id.to_owned()).collect();
    if let Some(at) = chosen.iter().position(|column| column == id) {
        chosen.remove(at);
    } else {
        chosen.push(id.to_owned());
    }
    state.look.columns = if chosen.len() == COLUMNS.len() { Vec::new() } else { chosen };
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::app::fleet::Entry;
    use crate::app::keymap::Keymap;
    use crate::app::message::Now;
    use crate::app::requests::RequestId;
    use crate::app::settings::Settings;
    use crate::app::state::State;
    use crate::app::update::menus::copy_items;
    use crate::domain::cluster::ClusterId;
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::persisted::PersistedState;
    use crate::domain::rotation::Phase;

    #[test]
    fn host_09_what_is_copied_as_a_command_runs_nothing_of_a_clusters_name() {
        for (name, context, segment) in [
            ("shop;touch x;#", "--context 'shop;touch x;#' ", "clusters/shop%3Btouch%20x%3B%23/"),
            ("a$(touch x)", "--context 'a$(touch x)' ", "clusters/a%24%28touch%20x%29/"),
            ("a'b", r"--context 'a'\''b' ", "clusters/a%27b/"),
            // No shell could read it back: the current context is meant.
            ("a\nb", "kubectl get nodes -L", "clusters/a%0Ab/"),
        ] {
            let at = Now { wall: now(), monotonic: Duration::ZERO };
            let settings = Settings::defaults();
            let mut state =
                State::new(settings, Keymap::default(), PersistedState::default(), at, 1);
            let mut evil = cluster("a", Phase::Completed);
            evil.id = ClusterId::new("p", "eu01", name);
            state.cursor = Some(evil.id.clone());
            state.fleet.put(Entry::new(evil, at, RequestId(1)));
            let items = copy_items(&state);
            let of = |prefix: &str| {
                let found = items.iter().find(|(_, text)| text.starts_with(prefix));
                found.map_or("", |(_, text)| text.as_str())
            };
            assert!(of("kubectl").contains(context), "{items:?}");
            let call = of("curl");
            assert!(call.contains(segment) && !call.contains("touch x"), "{call}");
        }
    }
}
