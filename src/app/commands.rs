//! Executes commands of keys, clicks and the palette on the current screen.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "keys and commands that mean nothing here are ignored"
)]

use crate::app::actions::dialog::ActionDialog;
use crate::app::availability::can;
use crate::app::cluster::tabs::Tab;
use crate::app::confirmation::Confirmation;
use crate::app::context::{Outbox, context};
use crate::app::effect::{Request, TerminalEffect};
use crate::app::ending::{ask_to_quit, persist, restart};
use crate::app::event::Event;
use crate::app::fleet::row::row_source;
use crate::app::fleet::{self, discovery, polling};
use crate::app::help::Help;
use crate::app::keymap::Command;
use crate::app::log::LogView;
use crate::app::menus::choices::ScopeChoice;
use crate::app::menus::copy::copy_items;
use crate::app::menus::export::listed;
use crate::app::menus::palette::offers;
use crate::app::menus::state::{Menu, MenuItems};
use crate::app::motion::SearchDirection;
use crate::app::requests::{RequestId, RequestOwner};
use crate::app::screen::Screen;
use crate::app::search::Search;
use crate::app::state::State;
use crate::app::text;
use crate::app::{activity, checklist, credentials, kubeconfig, nodes, rotation};
use crate::domain::action::Trigger;
use crate::domain::cluster::ClusterId;
use crate::domain::rotation::Phase;

/// Executes a command on the current screen.
pub fn run(state: &mut State, out: &mut Outbox, command: Command) {
    // Acting on a cluster counts as selecting it.
    state.view.cursor_moved |= matches!(
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
    // Refuses unavailable commands with a reason, for all features; back never needs one.
    if command != Command::Back
        && let Err(reason) = can(state, command)
    {
        context!(state, out).toast(reason);
        return;
    }
    match command {
        Command::Quit if state.screen == Screen::Fleet => ask_to_quit(state, out),
        Command::Quit | Command::Back => back(state),
        Command::Interrupt => ask_to_quit(state, out),
        Command::Help => {
            state.search = Search::default();
            state.help = Some(Help { context: state.context(), scroll: 0 });
        }
        Command::Palette => {
            let settings = &state.shared.settings;
            let found = offers(state.screen_context(), "", &state.fleet, settings);
            state.menu = Some(Menu::new(MenuItems::Commands(found), 0));
        }
        Command::Copy => match copy_items(state) {
            items if items.is_empty() => context!(state, out).toast(text::COPY_NOTHING),
            items => state.menu = Some(Menu::new(MenuItems::Copy(items), 0)),
        },
        Command::Export => {
            let listed = listed(state).unwrap_or_default();
            state.menu = Some(Menu::new(MenuItems::Export(listed), 0));
        }
        Command::Forget => ask_to_forget(state),
        Command::Sort => state.menu = Some(Menu::sort(state.view.sort)),
        Command::Scope => state.menu = Some(Menu::scope(&state.fleet, &state.shared.settings)),
        Command::Reload => restart(state, out, state.shared.settings.profile.clone()),
        Command::Columns => state.menu = Some(Menu::new(MenuItems::Columns, 0)),
        Command::Refresh => refresh(state, out),
        Command::Log => state.log = Some(LogView::default()),
        Command::Utc => state.shared.utc = !state.shared.utc,
        Command::Theme => {
            state.shared.theme = state.shared.theme.next();
            let cx = context!(state, out);
            cx.toast(text::theme(cx.shared.theme.label()));
            cx.raise(Event::PreferencesChanged);
        }
        Command::Mouse => {
            state.shared.mouse = !state.shared.mouse;
            let on = state.shared.mouse;
            let word = if on { text::MOUSE_ON } else { text::MOUSE_OFF };
            let cx = context!(state, out);
            cx.toast(text::mouse(word));
            cx.terminal(TerminalEffect::Mouse(on));
        }
        Command::Redraw => context!(state, out).terminal(TerminalEffect::Redraw),
        Command::Suspend => {
            // The next message detects from this time whether the suspend was long.
            state.session.suspended = Some(state.shared.now);
            context!(state, out).terminal(TerminalEffect::Suspend);
        }
        Command::LogIn => {
            state.session.suspended = Some(state.shared.now);
            context!(state, out).terminal(TerminalEffect::LogIn);
        }
        Command::Rotate => open_rotation(state, out),
        Command::Kubeconfig => {
            if let Some(cluster) = state.subject().map(|entry| entry.cluster.clone()) {
                let renewed = state.renewed_entries();
                let kubeconfig = &mut state.kubeconfig;
                // An undelivered kubeconfig takes precedence over a new one.
                let holds_one = kubeconfig.holds_one_of(&cluster);
                let cx = context!(state, out);
                if holds_one || renewed.is_empty() {
                    kubeconfig::update::open(kubeconfig, cluster, cx);
                } else {
                    kubeconfig::renew::open(kubeconfig, cluster, renewed, cx);
                }
            }
        }
        Command::WakeUp => open_action(state, Trigger::WakeUp),
        Command::Reconcile => open_action(state, Trigger::Reconcile),
        Command::Watch => {
            if let Some(id) = state.subject().map(|entry| entry.cluster.id.clone()) {
                let cx = context!(state, out);
                nodes::update::toggle_watch(&mut state.nodes, &id, cx);
                cx.raise(Event::PreferencesChanged);
            }
        }
        Command::Activity => {
            reset_view(state);
            let from = std::mem::replace(&mut state.screen, Screen::Fleet);
            state.screen = Screen::Activity(Box::new(from));
        }
        _ => on_screen(state, out, command),
    }
}

/// A command whose effect depends on the screen.
pub(in crate::app) fn on_screen(state: &mut State, out: &mut Outbox, command: Command) {
    match (&state.screen, command) {
        (Screen::Fleet, Command::Right) => return run(state, out, Command::Open),
        (Screen::Activity(_), Command::Right) if !state.activity.open => {
            return run(state, out, Command::Open);
        }
        (Screen::Activity(_), Command::Left) => return back(state),
        (Screen::Cluster { .. } | Screen::Activity(_), Command::Filter) => {
            return state.search.begin();
        }
        (Screen::Cluster { .. } | Screen::Activity(_), Command::NextMatch) => {
            return next_match(state, out, SearchDirection::Next);
        }
        (Screen::Cluster { .. } | Screen::Activity(_), Command::PreviousMatch) => {
            return next_match(state, out, SearchDirection::Previous);
        }
        _ => {}
    }
    let metrics = &state.shared.metrics;
    match &mut state.screen {
        Screen::Fleet if command == Command::Open => open_cluster(state, out),
        Screen::Fleet => fleet::update::run(&mut state.view, row_source!(state), command),
        Screen::Activity(_) if command == Command::Open => {
            activity::update::toggle_open(&mut state.activity, None);
        }
        Screen::Activity(_) => {
            activity::update::run(&mut state.activity, None, command, metrics);
        }
        Screen::Cluster { id, tab, .. } => match (command, *tab) {
            (Command::Next | Command::Right, tab) => show_tab(state, tab.neighbour(true)),
            (Command::Previous | Command::Left, tab) => show_tab(state, tab.neighbour(false)),
            (Command::Number(number), tab) => show_tab(state, Tab::numbered(number).unwrap_or(tab)),
            (Command::Events, _) => nodes::update::toggle_in_full(&mut state.nodes, id),
            (_, Tab::Checklist) => {
                let id = id.clone();
                checklist_tab(state, out, &id, command);
            }
            (Command::Open, _) => activity::update::toggle_open(&mut state.activity, Some(id)),
            (_, Tab::Nodes) => nodes::update::run(&mut state.nodes, id, command, metrics),
            (Command::Mark, Tab::Credentials) => {
                if let Some(location) = state.markable() {
                    state.inventory.toggle(location);
                    metrics.scroll(&mut state.inventory.cursor, Command::Down);
                }
            }
            (_, Tab::Credentials) => {
                metrics.scroll(&mut state.inventory.cursor, command);
            }
            (_, Tab::Activity) => {
                activity::update::run(&mut state.activity, Some(id), command, metrics);
            }
            (_, Tab::Overview | Tab::Rotation) => {
                metrics.scroll(&mut state.cluster.scroll, command);
            }
        },
    }
}

fn checklist_tab(state: &mut State, out: &mut Outbox, id: &ClusterId, command: Command) {
    let Some(cluster) = state.fleet.cluster(id) else { return };
    let snapshot = state.nodes.current_snapshot(id);
    let shown = (cluster, snapshot.as_deref());
    checklist::update::run(&mut state.checklist, shown, command, context!(state, out));
}

/// Moves to the next or previous match, or reports that there is none.
fn next_match(state: &mut State, out: &mut Outbox, step: SearchDirection) {
    if !find(state, step) {
        let text = text::no_match(&state.search.text);
        context!(state, out).toast(text);
    }
}

/// Moves the cursor to a match; returns whether there is one.
pub fn find(state: &mut State, step: SearchDirection) -> bool {
    let (search, metrics) = (&state.search, &state.shared.metrics);
    match &state.screen {
        _ if state.help.is_some() => true,
        Screen::Cluster { id, tab: Tab::Nodes, .. } => {
            nodes::update::find(&mut state.nodes, id, search, step)
        }
        screen => {
            let about = screen.cluster();
            activity::update::find(&mut state.activity, about, search, step, metrics)
        }
    }
}

/// Shows the fleet, filtered.
pub fn show_matching(state: &mut State, filter: String) {
    if state.screen != Screen::Fleet {
        state.screen = Screen::Fleet;
        reset_view(state);
    }
    fleet::update::set_filter(&mut state.view, row_source!(state), filter);
    state.view.cursor = state.view.shown.first().cloned();
    state.view.cursor_moved = true;
}

/// Applies a choice of profile, projects or region, and shows the fleet.
pub fn select(state: &mut State, out: &mut Outbox, choice: ScopeChoice) {
    let mut selection = state.fleet.selection.clone();
    match choice {
        ScopeChoice::Profile(profile) if profile == state.shared.settings.profile => return,
        ScopeChoice::Profile(profile) => return restart(state, out, profile),
        ScopeChoice::Projects(projects) => selection.projects = projects,
        ScopeChoice::Region(region) => selection.region = region,
    }
    state.fleet.select(selection, state.shared.now);
    state.screen = Screen::Fleet;
    reset_view(state);
    (state.view.cursor_moved, state.view.outdated) = (false, true);
    persist(state, out);
}

/// Opens a cluster that was chosen by name.
pub fn open_named(state: &mut State, out: &mut Outbox, id: ClusterId) {
    state.screen = Screen::Fleet;
    if !state.view.shown.contains(&id) {
        fleet::update::set_filter(&mut state.view, row_source!(state), String::new());
    }
    (state.view.cursor, state.view.cursor_moved) = (Some(id), true);
    open_cluster(state, out);
}

/// Resets scroll positions and search for another screen or tab.
fn reset_view(state: &mut State) {
    state.search = Search::default();
    state.cluster.scroll = 0;
    state.nodes.scroll = 0;
    state.inventory.reset_view();
    state.checklist.cursor = 0;
    state.activity.reset_view();
}

pub(in crate::app) fn show_tab(state: &mut State, next: Tab) {
    if let Screen::Cluster { tab, .. } = &mut state.screen
        && *tab != next
    {
        *tab = next;
        reset_view(state);
    }
}

pub(in crate::app) fn open_cluster(state: &mut State, out: &mut Outbox) {
    let Some(cluster) = state.subject().map(|entry| &entry.cluster) else { return };
    let (id, phase) = (cluster.id.clone(), &cluster.rotation.phase);
    let rotates =
        phase.is_running() || *phase == Phase::Prepared || state.rotation.pending.contains_key(&id);
    let tab = if rotates { Tab::Rotation } else { Tab::Overview };
    state.screen = Screen::Cluster { id: id.clone(), tab };
    state.cluster.due = state.shared.now.monotonic;
    reset_view(state);
    state.nodes.reset_view();
    let cx = context!(state, out);
    cx.read_cluster(&id, RequestId::default());
    checklist::update::read(&id, cx);
    read_inventory(state, out);
}

/// Undoes one thing per press: views the user opened first, then messages.
fn back(state: &mut State) {
    if state.activity.open && state.lists_records() && state.notices.errors.is_empty() {
        (state.activity.open, state.activity.scroll) = (false, 0);
        return;
    }
    if state.nodes.in_full
        && let Screen::Cluster { id, tab: Tab::Nodes, .. } = &state.screen
    {
        nodes::update::toggle_in_full(&mut state.nodes, id);
        return;
    }
    if !state.search.text.is_empty() && state.is_searchable() {
        state.search = Search::default();
        return;
    }
    if state.screen == Screen::Fleet && !state.view.filter.is_empty() {
        fleet::update::set_filter(&mut state.view, row_source!(state), String::new());
        return;
    }
    if state.notices.dismiss_error() {
        return;
    }
    match std::mem::replace(&mut state.screen, Screen::Fleet) {
        Screen::Fleet => state.notices.toast = None,
        // Rows may have changed order in the meantime.
        Screen::Cluster { .. } => state.view.outdated = true,
        Screen::Activity(from) => {
            state.screen = *from;
            reset_view(state);
        }
    }
}

fn refresh(state: &mut State, out: &mut Outbox) {
    let now = state.shared.now;
    polling::refresh(&mut state.fleet, now);
    state.cluster.due = now.monotonic;
    discovery::begin(&mut state.fleet, context!(state, out, ()));
    let cx = context!(state, out);
    if let Some(id) = state.screen.cluster() {
        cx.read_cluster(id, RequestId::default());
        checklist::update::read(id, cx);
    }
    cx.request(RequestOwner::Identity, Request::Identify);
    let is_tried = |id: &ClusterId| {
        let mut owners = state.requests.open().map(|(_, owner)| owner);
        owners.any(|owner| matches!(owner, RequestOwner::Trials(tried) if tried == id))
    };
    state.inventory.try_again(is_tried);
    read_inventory(state, out);
}

/// Rereads the kubeconfig files of this machine.
pub fn read_inventory(state: &mut State, out: &mut Outbox) {
    let (inventory, credentials) = (&mut state.inventory, &state.credentials);
    credentials::update::read(inventory, credentials, context!(state, out));
}

fn open_rotation(state: &mut State, out: &mut Outbox) {
    let (Some(step), Some(entry)) = (state.due_step(), state.subject()) else { return };
    let cluster = entry.cluster.clone();
    read_inventory(state, out);
    let cx = context!(state, out);
    checklist::update::read(&cluster.id, cx);
    rotation::update::open(&mut state.rotation, step, cluster, cx);
}

fn ask_to_forget(state: &mut State) {
    let question = credentials::forget::question(state);
    state.menu = question.ok().map(|question| Menu::new(MenuItems::forget(question), 0));
}

fn open_action(state: &mut State, action: Trigger) {
    if let Some(cluster) = state.subject().map(|entry| entry.cluster.id.clone()) {
        let confirmation = Confirmation::new(&state.shared);
        state.action = Some(ActionDialog { cluster, action, confirmation });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::app::activity::state::ACTIVITY_LIMIT;
    use crate::app::cluster::tabs::Tab;
    use crate::app::commands;
    use crate::app::context::{Outbox, context};
    use crate::app::effect::{Effect, Request, TerminalEffect};
    use crate::app::ending;
    use crate::app::keymap::{Command, Keymap};
    use crate::app::menus::choices::ScopeChoice;
    use crate::app::menus::state::MenuItems;
    use crate::app::message::{Answer, Copied, Message};
    use crate::app::now::Now;
    use crate::app::requests::{DialogId, RequestId, RequestOwner};
    use crate::app::screen::Screen;
    use crate::app::session;
    use crate::app::settings::Settings;
    use crate::app::state::State;
    use crate::app::text;
    use crate::app::update::update;
    use crate::domain::action::Trigger;
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::persisted::PersistedState;
    use crate::domain::record::Outcome;
    use crate::domain::rotation::Phase;

    #[test]
    fn clip_03_a_kubeconfig_that_is_copied_while_the_program_ends_is_cleared() {
        let mut state = machine();
        let owner = RequestOwner::Delivery { kubeconfig: RequestId(1), dialog: DialogId(1) };
        let copy = state.requests.begin(owner);
        ending::end_program(&mut state, &mut Outbox::default());
        let copied = Answer::Copied(Copied { how: "Copied".to_owned(), can_check: true });
        let at = state.shared.now;
        let effects = update(&mut state, at, Message::Answered(copy, Ok(copied)));
        let clears = |effect: &Effect| matches!(effect, Effect::Request(_, Request::ClearClipboard(cleared)) if *cleared == copy);
        assert!(effects.iter().any(clears), "{effects:?}");
    }

    fn add_record(state: &mut State, name: Option<&str>, text: &str) {
        let id = name.map(|name| cluster(name, Phase::Never).id);
        let cx = context!(state, &mut Outbox::default());
        cx.add_record(cx.record(id.as_ref(), "phase", Outcome::Observed, text));
    }

    fn machine() -> State {
        let at = Now { wall: now(), monotonic: Duration::ZERO };
        let settings = Settings::defaults();
        let mut state = State::new(settings, Keymap::default(), PersistedState::default(), at, 1);
        state.shared.metrics.page_rows = 3;
        state
    }

    fn press(state: &mut State, commands: &[Command]) {
        for command in commands {
            commands::run(state, &mut Outbox::default(), *command);
        }
    }

    fn chosen(state: &State) -> &str {
        state.record_at_cursor().map_or("", |record| record.text.as_str())
    }

    #[test]
    fn the_activity_cursor_stays_on_its_record_and_at_the_top_follows_new_records() {
        let mut state = machine();
        for text in ["a", "b", "c", "d", "e"] {
            add_record(&mut state, None, text);
        }
        press(&mut state, &[Command::Activity]);
        assert_eq!(chosen(&state), "e", "the newest");
        add_record(&mut state, None, "f");
        assert_eq!(chosen(&state), "f");
        press(&mut state, &[Command::Down, Command::PageDown]);
        assert_eq!((chosen(&state), state.activity.scroll), ("b", 2));
        add_record(&mut state, None, "g");
        assert_eq!(chosen(&state), "b");
        press(&mut state, &[Command::Last]);
        assert_eq!(chosen(&state), "a");
        for _ in 0..ACTIVITY_LIMIT - 1 {
            add_record(&mut state, None, "later");
        }
        assert_eq!(chosen(&state), "g", "what made room gives the cursor to the oldest");
        press(&mut state, &[Command::First]);
        add_record(&mut state, None, "newest");
        assert_eq!(chosen(&state), "newest");
    }

    #[test]
    fn back_closes_an_open_record_before_it_leaves_the_screen() {
        let mut state = machine();
        press(&mut state, &[Command::Activity, Command::Open]);
        assert!(!state.activity.open);
        assert_eq!(
            state.notices.toast.as_ref().map(|t| t.text.as_str()),
            Some(text::OPEN_NO_ENTRY)
        );
        add_record(&mut state, None, "a");
        press(&mut state, &[Command::Open]);
        assert!(state.activity.open);
        press(&mut state, &[Command::Back]);
        assert!(!state.activity.open && matches!(state.screen, Screen::Activity(_)));
        press(&mut state, &[Command::Back]);
        assert_eq!(state.screen, Screen::Fleet);
    }

    #[test]
    fn the_activity_tab_shows_one_cluster_and_copies_the_selected_record() {
        let mut state = machine();
        add_record(&mut state, Some("web"), "first");
        add_record(&mut state, Some("other"), "of another");
        add_record(&mut state, Some("web"), "second");
        let id = cluster("web", Phase::Never).id;
        state.screen = Screen::Cluster { id, tab: Tab::Activity };
        press(&mut state, &[Command::Down]);
        assert_eq!(chosen(&state), "first");
        press(&mut state, &[Command::Copy]);
        let Some(menu) = &state.menu else { panic!("no menu") };
        let MenuItems::Copy(items) = &menu.items else { panic!("another menu") };
        assert!(items[0].text.ends_with("by ?: first"), "{items:?}");
    }

    /// Answers the open restart request, and returns the resulting effects.
    fn answer(state: &mut State, result: Result<(), Failure>) -> Vec<Effect> {
        let open = state.requests.open().find(|(_, owner)| **owner == RequestOwner::Restart);
        let (request, _) = open.expect("it was asked for");
        let answer = Message::Answered(request, result.map(|()| Answer::RestartReady));
        update(state, state.shared.now, answer)
    }

    fn is_restart(effect: &Effect) -> bool {
        matches!(effect, Effect::Terminal(TerminalEffect::Restart))
    }

    fn toast(state: &State) -> &str {
        state.notices.toast.as_ref().map_or("", |toast| toast.text.as_str())
    }

    #[test]
    fn another_dashboard_follows_once_it_is_ready_and_this_one_is_saved() {
        let mut state = machine();
        state.shared.mouse = true;
        press(&mut state, &[Command::Reload, Command::Reload]);
        assert_eq!(state.requests.open().count(), 1, "asked for twice, it is made once");
        let failure = Failure::new(FailureKind::NotPossible, "no such file");
        assert!(!answer(&mut state, Err(failure)).iter().any(is_restart));
        assert!(!state.session.quitting && state.notices.errors.len() == 1);
        assert_eq!(toast(&state), "", "nothing restarts");
        press(&mut state, &[Command::Reload]);
        let effects = answer(&mut state, Ok(()));
        let place = |find: fn(&Effect) -> bool| effects.iter().position(find).unwrap();
        let saved = place(|effect| matches!(effect, Effect::Request(_, Request::Persist(..))));
        let mouse =
            |effect: &Effect| matches!(effect, Effect::Terminal(TerminalEffect::Mouse(false)));
        assert!(saved < place(is_restart) && place(mouse) < place(is_restart));
        assert!(effects.last().is_some_and(is_restart), "{effects:?}");
    }

    #[test]
    fn nothing_starts_again_while_a_request_is_sent_nor_in_the_demo() {
        let mut state = machine();
        press(&mut state, &[Command::Reload]);
        let cluster = cluster("web", Phase::Never).id;
        let sent = RequestOwner::Action { cluster, action: Trigger::WakeUp };
        let sent = state.requests.begin(sent);
        // Sent while the next dashboard was being prepared.
        assert!(!answer(&mut state, Ok(())).iter().any(is_restart));
        assert!(toast(&state).contains(session::text::OUTCOME_UNKNOWN), "{}", toast(&state));
        press(&mut state, &[Command::Reload]);
        let profile = ScopeChoice::Profile(Some("night".to_owned()));
        commands::select(&mut state, &mut Outbox::default(), profile);
        let open = |state: &State| {
            let others = |owner: &RequestOwner| *owner != RequestOwner::Inventory;
            state.requests.open().filter(|(_, owner)| others(owner)).count()
        };
        assert_eq!(open(&state), 1, "only what was sent");
        state.requests.end(sent);
        state.shared.settings.demo = Some(30.0);
        press(&mut state, &[Command::Reload]);
        assert_eq!((toast(&state), open(&state)), (text::RELOAD_DEMO, 0));
    }
}
