//! Applies changes of the configuration file to a running dashboard, as far as possible.

use crate::app::commands;
use crate::app::context::{Outbox, context};
use crate::app::effect::{Effect, TerminalEffect};
use crate::app::fleet::columns::Column;
use crate::app::fleet::polling;
use crate::app::message::ChangedConfiguration;
use crate::app::rotation;
use crate::app::state::State;
use crate::app::text;
use crate::domain::failure::Failure;
use crate::domain::record::Outcome;

/// The result of rereading the file; on failure, the previous values stay in effect.
pub fn read(state: &mut State, out: &mut Outbox, read: Result<ChangedConfiguration, Failure>) {
    // Any earlier problem is either fixed or reported again.
    if let Some(told) = state.session.configuration_problem.take() {
        state.notices.errors.retain(|failure| *failure != told);
    }
    match read {
        Ok(changed) => apply(state, out, changed),
        Err(failure) => {
            state.session.configuration_problem = Some(failure.clone());
            state.notices.error(failure);
        }
    }
}

fn apply(state: &mut State, out: &mut Outbox, changed: ChangedConfiguration) {
    let ChangedConfiguration { file, settings, keymap, live, at_start } = changed;
    let shared = &mut state.shared;
    shared.settings = shared.settings.reread(settings);
    shared.keymap = keymap;
    state.view.outdated = true;
    let settings = &shared.settings;
    // Values toggled by the user stay, unless the file changes them.
    for key in &live {
        match *key {
            "display.theme" => shared.theme = settings.theme,
            "display.utc" => shared.utc = settings.utc,
            "display.mouse" => {
                shared.mouse = settings.mouse;
                out.effects.push(Effect::Terminal(TerminalEffect::Mouse(settings.mouse)));
            }
            "display.columns" => state.view.columns.clone_from(&settings.columns),
            "display.sort" => {
                if let Some(column) = Column::from_id(&settings.sort) {
                    (state.view.sort, state.view.reversed) = (column, false);
                }
            }
            "poll.idle" | "poll.running" => {
                polling::refresh(&mut state.fleet, shared.now);
                state.cluster.due = shared.now.monotonic;
            }
            _ => {}
        }
    }
    rotation::update::protection_changed(&mut state.rotation, &state.shared);
    if live.contains(&"kubeconfig.search") {
        commands::read_inventory(state, out);
    }
    let (now, later) = (live.join(", "), at_start.join(", "));
    let said = match (live.is_empty(), at_start.is_empty()) {
        (true, true) => return,
        (false, true) => text::configuration_changed(file, now),
        (true, false) => text::configuration_at_start(file, later),
        (false, false) => text::configuration_partly(file, now, later),
    };
    let cx = context!(state, out);
    // The user may be in an editor, so the activity gets a record, too.
    cx.add_record(cx.record(None, "config", Outcome::Observed, said.clone()));
    cx.toast(said);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::app::commands;
    use crate::app::context::Outbox;
    use crate::app::effect::{Effect, Request, TerminalEffect};
    use crate::app::fleet::state::Entry;
    use crate::app::keymap::{Command, Keymap};
    use crate::app::message::{ChangedConfiguration, Message};
    use crate::app::now::Now;
    use crate::app::requests::RequestId;
    use crate::app::rotation::dialog::{Focus, RotationDialogStage};
    use crate::app::settings::{Settings, ThemeChoice};
    use crate::app::state::State;
    use crate::app::update::{refresh_rows, update};
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::persisted::PersistedState;
    use crate::domain::rotation::Phase;

    fn machine() -> State {
        let at = Now { wall: now(), monotonic: Duration::from_secs(100) };
        let settings = Settings::defaults();
        let mut state = State::new(settings, Keymap::default(), PersistedState::default(), at, 1);
        let shop = cluster("shop", Phase::Completed);
        state.view.cursor = Some(shop.id.clone());
        state.fleet.put(Entry::new(shop, at, RequestId(1)));
        state.view.outdated = true;
        refresh_rows(&mut state);
        state
    }

    fn happen(state: &mut State, read: Result<ChangedConfiguration, Failure>) -> Vec<Effect> {
        update(state, state.shared.now, Message::ConfigurationRead(Box::new(read)))
    }

    fn change(
        state: &mut State,
        live: &[&'static str],
        at_start: &[&'static str],
        change: impl FnOnce(&mut Settings),
    ) -> Vec<Effect> {
        let mut settings = Settings::defaults();
        change(&mut settings);
        let (file, keymap) = ("config.toml".to_owned(), Keymap::default());
        let (live, at_start) = (live.to_vec(), at_start.to_vec());
        happen(state, Ok(ChangedConfiguration { file, settings, keymap, live, at_start }))
    }

    fn said(state: &State) -> &str {
        state.notices.toast.as_ref().map_or("", |toast| toast.text.as_str())
    }

    #[test]
    fn what_a_person_toggled_stays_unless_that_key_changed() {
        let mut state = machine();
        let toggled = |state: &mut State| {
            state.shared.theme = ThemeChoice::Light;
            (state.shared.utc, state.shared.mouse) = (true, true);
            state.view.columns = vec!["state".to_owned()];
            state.view.reversed = true;
        };
        toggled(&mut state);
        let other = |settings: &mut Settings| {
            settings.theme = ThemeChoice::Mono;
            (settings.sort, settings.columns) = ("name".to_owned(), vec!["age".to_owned()]);
            settings.warn_before = jiff::SignedDuration::ZERO;
        };
        change(&mut state, &["kubeconfig.warn_before"], &["projects"], other);
        assert_eq!(state.shared.theme, ThemeChoice::Light);
        assert_eq!(state.view.columns, ["state"]);
        assert!(state.shared.utc && state.shared.mouse && state.view.reversed);
        assert_eq!(state.shared.settings.warn_before, jiff::SignedDuration::ZERO);
        assert_eq!(
            said(&state),
            "config.toml changed: kubeconfig.warn_before; after :reload (log.*: at the next start): projects"
        );
        let keys =
            ["display.theme", "display.utc", "display.mouse", "display.columns", "display.sort"];
        let effects = change(&mut state, &keys, &[], other);
        assert_eq!(state.shared.theme, ThemeChoice::Mono);
        assert_eq!((state.view.sort.id, state.view.reversed), ("name", false));
        assert_eq!(state.view.columns, ["age"]);
        assert!(!state.shared.utc && !state.shared.mouse);
        let mouse =
            |effect: &Effect| matches!(effect, Effect::Terminal(TerminalEffect::Mouse(false)));
        assert!(effects.iter().any(mouse));
        assert_eq!(
            state.activity.records.back().map(|record| record.text.as_str()),
            Some(said(&state)),
            "who looks elsewhere finds it"
        );
    }

    #[test]
    fn file_32_a_broken_file_is_told_until_it_is_repaired() {
        let mut state = machine();
        let broken = |text: &str| Err(Failure::new(FailureKind::File, text));
        happen(&mut state, broken("config.toml:1:1: a"));
        happen(&mut state, broken("config.toml:2:1: b"));
        let told = |state: &State| {
            let errors = state.notices.errors.iter();
            errors.map(|failure| failure.message.clone()).collect::<Vec<_>>()
        };
        assert_eq!(told(&state), ["config.toml:2:1: b"]);
        change(&mut state, &[], &[], |_| {});
        assert_eq!(told(&state), Vec::<String>::new());
        assert_eq!(said(&state), "", "nothing else changed");
    }

    #[test]
    fn machine_and_cloud_stay_and_read_only_is_never_switched_off() {
        let mut state = machine();
        state.shared.settings.export_folder = "/here".to_owned();
        state.shared.settings.regions = vec![crate::domain::cluster::Region::new("eu01")];
        change(&mut state, &["read_only"], &[], |settings| settings.read_only = true);
        assert_eq!(said(&state), "config.toml changed: read_only");
        change(&mut state, &[], &["read_only"], |settings| settings.read_only = false);
        let settings = &state.shared.settings;
        assert!(settings.read_only);
        assert_eq!((settings.export_folder.as_str(), settings.regions.len()), ("/here", 1));
        assert_eq!(
            said(&state),
            "config.toml changed: read_only; takes effect after :reload (log.*: at the next start)"
        );
    }

    #[test]
    fn host_15_an_open_dialog_requires_the_name_once_its_cluster_is_protected() {
        let mut state = machine();
        commands::run(&mut state, &mut Outbox::default(), Command::Rotate);
        let dialog = state.rotation.dialog.as_mut().unwrap();
        (dialog.stage, dialog.focus) = (RotationDialogStage::Confirming, Focus::Confirm);
        assert!(!dialog.wants_name);
        let protect = |settings: &mut Settings| settings.protected = vec!["shop".to_owned()];
        change(&mut state, &["protected"], &[], protect);
        let dialog = state.rotation.dialog.as_mut().unwrap();
        assert!(dialog.wants_name && dialog.focus == Focus::Cancel);
        // No request is sent, whatever the focus and whatever the dialog showed when it opened.
        dialog.focus = Focus::Confirm;
        let later = Now { monotonic: Duration::from_secs(200), ..state.shared.now };
        let enter = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Enter);
        let effects = update(&mut state, later, Message::Key(enter));
        let sends = |effect: &Effect| matches!(effect, Effect::Request(_, Request::Rotate { .. }));
        assert!(!effects.iter().any(sends));
        change(&mut state, &["protected"], &[], |_| {});
        assert!(state.rotation.dialog.as_ref().unwrap().wants_name, "it never wants less");
    }
}
