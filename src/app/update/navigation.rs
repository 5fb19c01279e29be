//! Moving about: the fleet, tabs, the filter line, help, the mouse.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "keys and commands that mean nothing here are ignored"
)]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::app::availability::can;
use crate::app::dialog::Dialog;
use crate::app::effect::{Effect, Request, TerminalEffect};
use crate::app::keymap::Command;
use crate::app::requests::RequestOwner;
use crate::app::settings::ObservationScope;
use crate::app::state::{Clickable, Screen, State, Tab};
use crate::app::update::{dialogs, kubeconfig, menus, notices, polling, rotation, select};
use crate::domain::action::Action;
use crate::domain::rotation::Phase;

/// Filters behind the counts of the header, by number.
pub const COUNT_FILTERS: [&str; 6] = [
    "phase:completed",
    "phase:preparing",
    "phase:prepared",
    "phase:completing",
    "phase:never",
    "stuck",
];

/// Carries out a command of a screen.
pub fn run(state: &mut State, command: Command) -> Vec<Effect> {
    // Whoever acts on a cluster has chosen it.
    state.cursor_moved |= matches!(
        command,
        Command::Open
            | Command::Rotate
            | Command::Kubeconfig
            | Command::WakeUp
            | Command::Reconcile
            | Command::Mark
            | Command::Watch
            | Command::Copy
    );
    match command {
        Command::Quit => match &state.screen {
            Screen::Fleet => return dialogs::ask_to_leave(state),
            Screen::Cluster { .. } | Screen::Activity(_) => back(state),
        },
        Command::Interrupt => return dialogs::ask_to_leave(state),
        Command::Back => back(state),
        Command::Help => state.help = Some((state.context(), 0)),
        Command::Palette => menus::open_commands(state),
        Command::Copy => menus::open_copy(state),
        Command::Refresh => {
            polling::refresh(state);
            let mut effects = Vec::new();
            if let Screen::Cluster { id, .. } = state.screen.clone() {
                effects.extend(polling::read(state, &id));
            }
            effects.push(notices::request(state, RequestOwner::Identity, Request::Identify));
            return effects;
        }
        Command::Utc => state.utc = !state.utc,
        Command::Theme => {
            state.theme = state.theme.next();
            notices::toast(state, format!("Theme: {}.", state.theme.word()));
            return vec![notices::kept(state)];
        }
        Command::Mouse => {
            state.mouse = !state.mouse;
            let word = if state.mouse { "on" } else { "off; selection is the terminal's again" };
            notices::toast(state, format!("Mouse {word}."));
            return vec![Effect::Terminal(TerminalEffect::Mouse(state.mouse))];
        }
        Command::Redraw => return vec![Effect::Terminal(TerminalEffect::Redraw)],
        Command::Suspend => return super::suspend(state),
        Command::Rotate => return rotation::open(state),
        Command::Kubeconfig => return kubeconfig::open(state),
        Command::WakeUp => return dialogs::open_confirm(state, command, Action::WakeUp),
        Command::Reconcile => return dialogs::open_confirm(state, command, Action::Reconcile),
        Command::Watch => watch(state),
        Command::Events => match can(state, command) {
            Ok(()) => {
                // It stays this node, whatever becomes of it.
                state.node_cursor = state.node_at_cursor().map(|node| node.uid.clone());
                state.node_events = !state.node_events;
                state.scroll = 0;
            }
            Err(reason) => notices::toast(state, reason),
        },
        Command::Activity => {
            leave_records(state);
            let from = std::mem::replace(&mut state.screen, Screen::Fleet);
            state.screen = Screen::Activity(Box::new(from));
        }
        _ => return on_screen(state, command),
    }
    Vec::new()
}

fn on_screen(state: &mut State, command: Command) -> Vec<Effect> {
    match state.screen.clone() {
        Screen::Fleet => fleet(state, command),
        Screen::Cluster { tab, .. } => {
            let next = match command {
                Command::Next | Command::Right => neighbour(tab, true),
                Command::Previous | Command::Left => neighbour(tab, false),
                Command::Number(number) => {
                    Tab::ALL.get(usize::from(number).saturating_sub(1)).copied().unwrap_or(tab)
                }
                _ if tab == Tab::Nodes && !state.node_events && command != Command::Open => {
                    move_among_nodes(state, command);
                    tab
                }
                _ if tab == Tab::Activity => {
                    among_records(state, command);
                    tab
                }
                Command::Open => {
                    if let Err(reason) = can(state, command) {
                        notices::toast(state, reason);
                    }
                    tab
                }
                _ => {
                    scroll(state, command);
                    tab
                }
            };
            set_tab(state, next);
            Vec::new()
        }
        Screen::Activity(_) => {
            among_records(state, command);
            Vec::new()
        }
    }
}

fn set_tab(state: &mut State, next: Tab) {
    if let Screen::Cluster { tab, .. } = &mut state.screen
        && *tab != next
    {
        *tab = next;
        leave_records(state);
    }
}

/// Another screen or tab begins: at its top, with the newest record under the cursor.
fn leave_records(state: &mut State) {
    state.scroll = 0;
    state.record_cursor = None;
    state.record_open = false;
}

fn neighbour(tab: Tab, forward: bool) -> Tab {
    let at = Tab::ALL.iter().position(|other| *other == tab).unwrap_or(0);
    let count = Tab::ALL.len();
    let next = if forward { at + 1 } else { at + count - 1 };
    Tab::ALL.get(next % count).copied().unwrap_or(tab)
}

/// Begins or ends telling of the cluster at hand.
fn watch(state: &mut State) {
    let Some(id) = state.subject().map(|entry| entry.cluster.id.clone()) else {
        notices::toast(state, "Observation: no cluster is chosen".to_owned());
        return;
    };
    let label = state.fleet.label(&id);
    let text = if state.watched.remove(&id) {
        format!("{label}: no longer watched.")
    } else {
        state.watched.insert(id.clone());
        let nodes = if state.settings.read_only || state.settings.watch == ObservationScope::Never {
            ". Its nodes are not looked at"
        } else {
            ", held up or moves on"
        };
        let goals = match state.fleet.cluster(&id).map(|cluster| &cluster.rotation.phase) {
            Some(Phase::Prepared | Phase::Completing) => "completed",
            _ => "PREPARED, completed",
        };
        format!("{label}: you are told when it is {goals}{nodes}.")
    };
    notices::toast(state, text);
}

/// Moves the cursor of the nodes tab.
fn move_among_nodes(state: &mut State, command: Command) {
    let uids = state.node_uids();
    let Some(last) = uids.len().checked_sub(1) else { return };
    let page = state.metrics.page_rows.max(1);
    let shown = state.node_at_cursor().map(|node| node.uid.clone());
    let at = shown.and_then(|uid| uids.iter().position(|known| *known == uid)).unwrap_or(0);
    if let Some(next) = moved(command, at, page, last) {
        state.node_cursor = uids.get(next).cloned();
    }
}

/// Moves the cursor of the activity, or in the entry that has the whole pane.
fn among_records(state: &mut State, command: Command) {
    if command == Command::Open {
        match can(state, command) {
            Ok(()) => {
                // It stays this record while it is read, whatever comes.
                let records = state.records();
                let place = state.record_place(&records);
                let number = records.get(place).map(|(number, _)| *number);
                state.record_open = !state.record_open;
                state.record_cursor = number.filter(|_| state.record_open || place > 0);
                state.scroll = 0;
            }
            Err(reason) => notices::toast(state, reason),
        }
    } else if state.record_open {
        scroll(state, command);
    } else {
        move_among_records(state, command);
    }
}

fn move_among_records(state: &mut State, command: Command) {
    let records = state.records();
    let Some(last) = records.len().checked_sub(1) else { return };
    let page = state.metrics.page_rows.max(1);
    let at = state.record_place(&records);
    let Some(next) = moved(command, at, page, last) else { return };
    // On top it follows what comes; anywhere else it stays on its record.
    let cursor = records.get(next).map(|(number, _)| *number).filter(|_| next > 0);
    let scroll = keep_visible(state.scroll, next, page, records.len());
    (state.record_cursor, state.scroll) = (cursor, scroll);
}

/// The first row of a list so that a row is seen, scrolled as little as is needed.
pub fn keep_visible(first: usize, row: usize, page: usize, all: usize) -> usize {
    let lowest = row.saturating_sub(page.max(1) - 1);
    first.min(all.saturating_sub(page)).clamp(lowest.min(row), row)
}

/// Scrolls the text on screen.
fn scroll(state: &mut State, command: Command) {
    let (page, last) = (state.metrics.page_rows.max(1), state.metrics.scroll_last);
    if let Some(next) = moved(command, state.scroll.min(last), page, last) {
        state.scroll = next;
    }
}

/// Where a command leads from a place among `0..=last`; `None` when it is not about moving.
pub fn moved(command: Command, at: usize, page: usize, last: usize) -> Option<usize> {
    Some(match command {
        Command::Up => at.saturating_sub(1),
        Command::Down => (at + 1).min(last),
        Command::PageUp => at.saturating_sub(page),
        Command::PageDown => (at + page).min(last),
        Command::First => 0,
        Command::Last => last,
        _ => return None,
    })
}

fn fleet(state: &mut State, command: Command) -> Vec<Effect> {
    let page = state.metrics.page_rows.max(1);
    match command {
        Command::Up
        | Command::Down
        | Command::PageUp
        | Command::PageDown
        | Command::First
        | Command::Last => {
            move_cursor(state, |row, last| moved(command, row, page, last).unwrap_or(row));
        }
        Command::Open => return open(state),
        Command::Filter => state.filtering = Some(state.look.filter.clone()),
        Command::Mark => {
            if let Some(id) = state.cursor.clone()
                && !state.look.marks.remove(&id)
            {
                state.look.marks.insert(id);
            }
            move_cursor(state, |row, last| (row + 1).min(last));
        }
        Command::MarkAll => {
            if state.fleet.shown.iter().all(|id| state.look.marks.contains(id)) {
                state.look.marks.clear();
            } else {
                state.look.marks.extend(state.fleet.shown.iter().cloned());
            }
        }
        Command::Sort => menus::open_sort(state),
        Command::Columns => menus::open_columns(state),
        Command::Preview => state.look.preview = !state.look.preview,
        Command::Number(number) => {
            let at = usize::from(number).saturating_sub(1);
            if let Some(filter) = COUNT_FILTERS.get(at) {
                let same = state.look.filter == *filter;
                state.look.filter = if same { String::new() } else { (*filter).to_owned() };
                select(state);
            }
        }
        _ => {}
    }
    Vec::new()
}

fn move_cursor(state: &mut State, to: impl Fn(usize, usize) -> usize) {
    let last = state.fleet.shown.len().saturating_sub(1);
    let row = to(state.cursor_row().unwrap_or(0), last);
    state.cursor = state.fleet.shown.get(row).cloned();
    state.cursor_moved = true;
    keep_cursor_visible(state);
}

/// Scrolls as little as is needed to show the cursor's row.
pub fn keep_cursor_visible(state: &mut State) {
    let page = state.metrics.page_rows.max(1);
    let row = state.cursor_row().unwrap_or(0);
    state.offset = keep_visible(state.offset, row, page, state.fleet.shown.len());
}

fn open(state: &mut State) -> Vec<Effect> {
    let Some(entry) = state.subject() else {
        notices::toast(state, "Open: no cluster is chosen".to_owned());
        return Vec::new();
    };
    let running = entry.cluster.rotation.phase.is_running()
        || entry.cluster.rotation.phase == Phase::Prepared;
    let id = entry.cluster.id.clone();
    let created = entry.cluster.created;
    let tab =
        if running || state.pending.contains_key(&id) { Tab::Rotation } else { Tab::Overview };
    state.screen = Screen::Cluster { id: id.clone(), created, tab };
    state.detail_due = state.now.monotonic;
    leave_records(state);
    state.node_cursor = None;
    state.node_events = false;
    polling::read(state, &id).into_iter().collect()
}

fn back(state: &mut State) {
    if state.record_open && state.lists_records() && state.errors.is_empty() {
        state.record_open = false;
        state.scroll = 0;
        return;
    }
    match std::mem::replace(&mut state.screen, Screen::Fleet) {
        Screen::Fleet => {
            // One thing per press, the loudest first.
            if state.errors.pop_front().is_none()
                && state.toast.take().is_none()
                && !state.look.filter.is_empty()
            {
                state.look.filter.clear();
                select(state);
            }
        }
        Screen::Cluster { id, created, tab } => {
            if state.errors.pop_front().is_some() {
                state.screen = Screen::Cluster { id, created, tab };
            } else {
                select(state);
            }
        }
        Screen::Activity(from) => {
            if state.errors.pop_front().is_some() {
                state.screen = Screen::Activity(from);
            } else {
                state.screen = *from;
                leave_records(state);
            }
        }
    }
}

/// A key while the filter line has the keyboard.
pub fn filter_key(state: &mut State, command: Option<Command>, key: KeyEvent) -> Vec<Effect> {
    match command {
        Some(Command::Open) => state.filtering = None,
        Some(Command::Back) => {
            if let Some(before) = state.filtering.take() {
                state.look.filter = before;
            }
        }
        _ => {
            let control = key.modifiers.contains(KeyModifiers::CONTROL);
            let filter = &mut state.look.filter;
            match key.code {
                KeyCode::Char('u') if control => filter.clear(),
                KeyCode::Char('w') if control => {
                    let kept = filter.trim_end().rfind(' ').map_or(0, |at| at + 1);
                    filter.truncate(kept);
                }
                KeyCode::Char(c) if !control && filter.chars().count() < 200 => filter.push(c),
                KeyCode::Backspace => {
                    filter.pop();
                }
                KeyCode::Up => move_cursor(state, |row, _| row.saturating_sub(1)),
                KeyCode::Down => move_cursor(state, |row, last| (row + 1).min(last)),
                _ => return Vec::new(),
            }
        }
    }
    select(state);
    Vec::new()
}

/// A key while help is open.
pub fn help(state: &mut State, command: Option<Command>) -> Vec<Effect> {
    let page = state.metrics.page_rows.max(1);
    let last = state.metrics.scroll_last;
    if let (Some((_, scroll)), Some(command)) = (&mut state.help, command) {
        match moved(command, (*scroll).min(last), page, last) {
            Some(next) => *scroll = next,
            None => state.help = None,
        }
    }
    Vec::new()
}

/// The mouse was used; it is reported only while it is on.
pub fn mouse(state: &mut State, event: MouseEvent) -> Vec<Effect> {
    if !state.mouse {
        return Vec::new();
    }
    match event.kind {
        MouseEventKind::ScrollUp => wheel(state, Command::Up),
        MouseEventKind::ScrollDown => wheel(state, Command::Down),
        MouseEventKind::Down(MouseButton::Left) => click(state, event.column, event.row),
        _ => Vec::new(),
    }
}

fn wheel(state: &mut State, command: Command) -> Vec<Effect> {
    if state.help.is_some() {
        help(state, Some(command))
    } else if !state.is_covered() && state.filtering.is_none() {
        on_screen(state, command)
    } else {
        Vec::new()
    }
}

fn click(state: &mut State, column: u16, row: u16) -> Vec<Effect> {
    let hit = state.metrics.targets.iter().find(|target| {
        let (x, y, width, height) = target.area;
        (x..x.saturating_add(width)).contains(&column)
            && (y..y.saturating_add(height)).contains(&row)
    });
    let Some(what) = hit.map(|target| target.what) else { return Vec::new() };
    let over = state.is_covered();
    match what {
        Clickable::Row(at) if !over => {
            let clicked = state.fleet.shown.get(at).cloned();
            if clicked.is_some() && clicked == state.cursor {
                return open(state);
            }
            state.cursor = clicked.or(state.cursor.take());
            state.cursor_moved = true;
            Vec::new()
        }
        Clickable::Tab(tab) if !over => {
            set_tab(state, tab);
            Vec::new()
        }
        Clickable::Count(number) if !over => fleet(state, Command::Number(number)),
        Clickable::Cancel => dialogs::back(state),
        Clickable::Confirm => {
            if let Some(leaving) = &mut state.leaving {
                leaving.leave = true;
                return Vec::new();
            }
            // Destructive buttons are for the keyboard; the mouse only moves the focus there.
            if let Some(Dialog::Rotate(dialog)) = &mut state.dialog {
                dialog.focus = crate::app::dialog::Focus::Confirm;
            }
            Vec::new()
        }
        Clickable::Row(_) | Clickable::Tab(_) | Clickable::Count(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::app::keymap::{Command, Keymap};
    use crate::app::message::Now;
    use crate::app::settings::Settings;
    use crate::app::state::{ACTIVITY_LIMIT, Screen, State, Tab};
    use crate::app::update::{menus, navigation, notices};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::persisted::PersistedState;
    use crate::domain::record::Outcome;
    use crate::domain::rotation::Phase;

    fn remember(state: &mut State, name: Option<&str>, text: &str) {
        let id = name.map(|name| cluster(name, Phase::Never).id);
        let record =
            notices::record(state, id.as_ref(), "phase", None, Outcome::Seen, text.to_owned());
        notices::remember(state, record);
    }

    fn machine() -> State {
        let at = Now { wall: now(), monotonic: Duration::ZERO };
        let settings = Settings::defaults();
        let mut state = State::new(settings, Keymap::default(), PersistedState::default(), at, 1);
        state.metrics.page_rows = 3;
        state
    }

    fn press(state: &mut State, commands: &[Command]) {
        for command in commands {
            navigation::run(state, *command);
        }
    }

    fn chosen(state: &State) -> &str {
        state.record_at_cursor().map_or("", |record| record.text.as_str())
    }

    #[test]
    fn the_cursor_of_the_activity_stays_on_its_record_and_on_top_follows_what_comes() {
        let mut state = machine();
        for text in ["a", "b", "c", "d", "e"] {
            remember(&mut state, None, text);
        }
        press(&mut state, &[Command::Activity]);
        assert_eq!(chosen(&state), "e", "the newest");
        remember(&mut state, None, "f");
        assert_eq!(chosen(&state), "f");
        press(&mut state, &[Command::Down, Command::PageDown]);
        assert_eq!((chosen(&state), state.scroll), ("b", 2));
        remember(&mut state, None, "g");
        assert_eq!(chosen(&state), "b");
        press(&mut state, &[Command::Last]);
        assert_eq!(chosen(&state), "a");
        for _ in 0..ACTIVITY_LIMIT - 1 {
            remember(&mut state, None, "later");
        }
        assert_eq!(chosen(&state), "g", "what made room gives the cursor to the oldest");
        press(&mut state, &[Command::First]);
        remember(&mut state, None, "newest");
        assert_eq!(chosen(&state), "newest");
    }

    #[test]
    fn enter_opens_an_entry_and_goes_back_before_the_screen_is_left() {
        let mut state = machine();
        press(&mut state, &[Command::Activity, Command::Open]);
        assert!(!state.record_open);
        assert_eq!(
            state.toast.as_ref().map(|t| t.text.as_str()),
            Some("Open: nothing happened yet")
        );
        remember(&mut state, None, "a");
        press(&mut state, &[Command::Open]);
        assert!(state.record_open);
        press(&mut state, &[Command::Back]);
        assert!(!state.record_open && matches!(state.screen, Screen::Activity(_)));
        press(&mut state, &[Command::Back]);
        assert_eq!(state.screen, Screen::Fleet);
    }

    #[test]
    fn the_tab_of_a_cluster_has_its_records_alone_and_copies_the_one_under_the_cursor() {
        let mut state = machine();
        remember(&mut state, Some("web"), "first");
        remember(&mut state, Some("other"), "of another");
        remember(&mut state, Some("web"), "second");
        let id = cluster("web", Phase::Never).id;
        state.screen = Screen::Cluster { id, created: None, tab: Tab::Activity };
        press(&mut state, &[Command::Down]);
        assert_eq!(chosen(&state), "first");
        menus::open_copy(&mut state);
        let Some(crate::app::dialog::Dialog::Menu(menu)) = &state.dialog else { panic!("no menu") };
        let crate::app::dialog::MenuItems::Copy(items) = &menu.kind else { panic!("another menu") };
        assert!(items[0].1.ends_with("by ?: first"), "{items:?}");
    }
}
