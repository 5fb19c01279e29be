//! The selection of the fleet. Only selected clusters are listed and shown; earlier readings of others are kept.

use std::collections::BTreeSet;

use crate::app::fleet::state::{Entry, Fleet, ScopeState, ScopeStatus};
use crate::app::now::Now;
use crate::domain::cluster::{ProjectId, Region, Scope};
use crate::domain::selection::{SelectedProjects, Selection};

impl Fleet {
    /// Whether the clusters of a scope are shown.
    pub fn is_selected(&self, scope: &Scope) -> bool {
        let Selection { projects, region } = &self.selection;
        let has_project = match projects {
            SelectedProjects::Configured => {
                self.configured.is_empty() || self.configured.contains(&scope.project)
            }
            SelectedProjects::All => true,
            SelectedProjects::One(project) => *project == scope.project,
        };
        has_project && region.as_ref().is_none_or(|region| *region == scope.region)
    }

    /// Whether a scope is listed: it is selected or tracked.
    pub fn is_polled(&self, scope: &Scope) -> bool {
        self.is_selected(scope) || self.tracked.contains(scope)
    }

    /// The selected scopes and their list status.
    pub fn selected_scopes(&self) -> impl Iterator<Item = (&Scope, &ScopeState)> {
        self.scopes.iter().filter(|(scope, _)| self.is_selected(scope))
    }

    /// The clusters that are selected.
    pub fn selected(&self) -> impl Iterator<Item = &Entry> {
        // Neighbours mostly share a scope.
        let mut last: Option<(&Scope, bool)> = None;
        self.entries.iter().filter_map(move |(id, entry)| {
            let is_selected = match last {
                Some((scope, is_selected)) if *scope == id.scope => is_selected,
                _ => self.is_selected(&id.scope),
            };
            last = Some((&id.scope, is_selected));
            is_selected.then_some(entry)
        })
    }

    /// The distinct projects and regions of scopes.
    pub fn parts<'a>(
        scopes: impl Iterator<Item = &'a Scope>,
    ) -> (BTreeSet<&'a ProjectId>, BTreeSet<&'a Region>) {
        scopes.map(|scope| (&scope.project, &scope.region)).unzip()
    }

    /// Whether some scopes are not selected.
    pub fn is_narrowed(&self) -> bool {
        self.scopes.keys().any(|scope| !self.is_selected(scope))
    }

    /// Adds a project whose clusters can be listed.
    pub fn add_project(&mut self, project: &ProjectId, regions: &[Region]) {
        for region in regions {
            let scope = Scope { project: project.clone(), region: region.clone() };
            self.scopes.entry(scope).or_default();
        }
    }

    /// Restores a selection; its project is listed even before discovery finds it.
    pub fn begin_with(&mut self, selection: Selection, regions: &[Region]) {
        if let SelectedProjects::One(project) = &selection.projects {
            self.add_project(project, regions);
        }
        self.selection = selection;
    }

    /// Changes the selection. Newly listed scopes are due now, and their readings count as old until then.
    pub fn select(&mut self, selection: Selection, now: Now) {
        let before: BTreeSet<Scope> =
            self.scopes.keys().filter(|scope| self.is_polled(scope)).cloned().collect();
        self.selection = selection;
        for (scope, state) in &mut self.scopes {
            if before.contains(scope) {
                continue;
            }
            state.due = state.wait_until.map_or(now.monotonic, |until| now.monotonic_at(until));
            if matches!(state.status, ScopeStatus::Live) {
                state.status = ScopeStatus::Loading;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use crate::app::effect::{Effect, Request};
    use crate::app::fleet::state::ScopeStatus;
    use crate::app::keymap::{KeyContext, Keymap};
    use crate::app::menus::choices::ScopeChoice;
    use crate::app::menus::palette::{PaletteItem, offers};
    use crate::app::message::{Answer, Message};
    use crate::app::now::Now;
    use crate::app::requests::RequestId;
    use crate::app::settings::{SetForRun, Settings};
    use crate::app::state::State;
    use crate::app::update::{begin, refresh_rows, update};
    use crate::domain::cluster::{Cluster, ClusterId, Listing, ProjectId, Region, Scope};
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::last_known::LastKnown;
    use crate::domain::permissions::Discovered;
    use crate::domain::persisted::PersistedState;
    use crate::domain::rotation::Phase;
    use crate::domain::selection::{SelectedProjects, Selection};

    fn at(seconds: u64) -> Now {
        let passed = Duration::from_secs(seconds);
        Now { wall: now() + SignedDuration::try_from(passed).unwrap(), monotonic: passed }
    }

    fn settings(projects: &[&str]) -> Settings {
        let mut settings = Settings::defaults();
        settings.projects = projects.iter().map(|id| (ProjectId::new(id), None)).collect();
        settings.regions = vec![Region::new("eu01"), Region::new("eu02")];
        settings
    }

    fn machine(settings: Settings, kept: PersistedState) -> (State, Vec<Effect>) {
        let mut state = State::new(settings, Keymap::default(), kept, at(0), 1);
        let effects = begin(&mut state);
        (state, effects)
    }

    fn lists(effects: &[Effect]) -> Vec<(RequestId, Scope)> {
        let list = |effect: &Effect| {
            let Effect::Request(request, Request::List(scope)) = effect else { return None };
            Some((*request, scope.clone()))
        };
        effects.iter().filter_map(list).collect()
    }

    fn discovery(effects: &[Effect]) -> RequestId {
        let find = |effect: &Effect| {
            let Effect::Request(request, Request::Discover) = effect else { return None };
            Some(*request)
        };
        effects.iter().find_map(find).unwrap()
    }

    fn found(projects: &[&str]) -> Answer {
        let projects = projects.iter().map(|id| (ProjectId::new(id), None)).collect();
        Answer::Discovered(Discovered { permissions: None, projects: Ok(projects) })
    }

    fn listing(scope: &Scope, name: &str) -> Answer {
        let mut listed = cluster(name, Phase::Never);
        listed.id = ClusterId::new(scope.project.as_str(), scope.region.as_str(), name);
        let (clusters, skew) = (vec![listed], None);
        Answer::Clusters(Listing { clusters, skipped: 0, skew })
    }

    fn choose(state: &mut State, seconds: u64, choice: ScopeChoice) -> Vec<Effect> {
        state.shared.now = at(seconds);
        let mut out = crate::app::context::Outbox::default();
        crate::app::commands::select(state, &mut out, choice);
        let effects = update(state, at(seconds), Message::Ticked);
        refresh_rows(state);
        out.effects.into_iter().chain(effects).collect()
    }

    fn one(id: &str) -> SelectedProjects {
        SelectedProjects::One(ProjectId::new(id))
    }

    fn shown(state: &State) -> Vec<&str> {
        state.view.shown.iter().map(|id| id.scope.project.as_str()).collect()
    }

    #[test]
    fn projects_that_are_found_are_offered_beside_the_configured_ones_and_not_listed_unasked() {
        let (mut state, effects) = machine(settings(&["a"]), PersistedState::default());
        assert_eq!(lists(&effects).len(), 2);
        let answer = Message::Answered(discovery(&effects), Ok(found(&["a", "b", "c"])));
        assert!(lists(&update(&mut state, at(1), answer)).is_empty());
        assert!(state.fleet.is_narrowed());
        let asked = lists(&choose(&mut state, 2, ScopeChoice::Projects(SelectedProjects::All)));
        assert_eq!(asked.len(), 4, "{asked:?}");
        assert!(!state.fleet.is_narrowed());
        // Without configured projects, all discovered ones are listed.
        let (mut state, effects) = machine(settings(&[]), PersistedState::default());
        let answer = Message::Answered(discovery(&effects), Ok(found(&["a", "b"])));
        assert_eq!(lists(&update(&mut state, at(1), answer)).len(), 4);
        assert!(!state.fleet.is_narrowed());
    }

    #[test]
    fn rows_of_the_last_run_are_those_of_projects_that_this_account_has() {
        let (mut state, effects) = machine(settings(&["a"]), PersistedState::default());
        let known = ["a", "b", "of-another-account"].map(|project| {
            let mut last = cluster("web", Phase::Never);
            last.id = ClusterId::new(project, "eu01", "web");
            let Cluster { id, created, version, rotation, .. } = last;
            LastKnown { id, created, version, rotation, read: now() }
        });
        state.fleet.remember(known.to_vec());
        let known = |state: &State| {
            let ids = state.fleet.entries.keys();
            ids.map(|id| id.project().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(known(&state), ["a"]);
        let answer = Message::Answered(discovery(&effects), Ok(found(&["a", "b"])));
        update(&mut state, at(1), answer);
        refresh_rows(&mut state);
        assert_eq!(
            (known(&state), shown(&state)),
            (vec!["a".to_owned(), "b".to_owned()], vec!["a"])
        );
    }

    #[test]
    fn a_late_answer_is_stored_and_shown_only_where_its_scope_is_selected() {
        let (mut state, effects) = machine(settings(&["a", "b"]), PersistedState::default());
        choose(&mut state, 1, ScopeChoice::Projects(one("a")));
        for (request, scope) in lists(&effects) {
            let answer = Message::Answered(request, Ok(listing(&scope, "web")));
            update(&mut state, at(2), answer);
        }
        refresh_rows(&mut state);
        assert_eq!((state.fleet.entries.len(), state.view.counts.all), (4, 2));
        assert_eq!(shown(&state), ["a", "a"]);
        choose(&mut state, 3, ScopeChoice::Region(Some(Region::new("eu02"))));
        assert_eq!(shown(&state), ["a"]);
        assert!(lists(&update(&mut state, at(40), Message::Ticked)).len() == 1);
        // The newly selected scope is due, and old until it is read; scopes that stayed selected are not.
        let asked = choose(&mut state, 41, ScopeChoice::Projects(SelectedProjects::Configured));
        assert_eq!(lists(&asked).len(), 1, "b in eu02; a is under way");
        let is_loading =
            |scope: &Scope| matches!(state.fleet.scopes[scope].status, ScopeStatus::Loading);
        let of =
            |project: &str| Scope { project: ProjectId::new(project), region: Region::new("eu02") };
        assert!(is_loading(&of("b")) && !is_loading(&of("a")));
        assert_eq!(shown(&state).len(), 2);
        assert!(state.fleet.is_stale(&ClusterId::new("b", "eu02", "web")));
    }

    #[test]
    fn a_server_that_asked_to_wait_is_left_alone_when_its_scope_is_selected_again() {
        let (mut state, effects) = machine(settings(&["a", "b"]), PersistedState::default());
        for (request, _) in lists(&effects) {
            let mut failure = Failure::new(FailureKind::RateLimited, "slowly");
            failure.retry_at = Some(at(300).wall);
            update(&mut state, at(1), Message::Answered(request, Err(failure)));
        }
        choose(&mut state, 2, ScopeChoice::Projects(one("a")));
        let all = ScopeChoice::Projects(SelectedProjects::Configured);
        assert!(lists(&choose(&mut state, 3, all)).is_empty());
    }

    #[test]
    fn what_an_earlier_run_selected_holds_for_its_profile_and_not_against_what_is_set_for_the_run()
    {
        let selection = |projects, region: Option<&str>| Selection {
            projects,
            region: region.map(Region::new),
        };
        let mut kept = PersistedState::default();
        kept.selections.insert(String::new(), selection(one("b"), Some("eu02")));
        kept.selections.insert("night".to_owned(), selection(one("c"), None));
        let of = |profile: Option<&str>, (projects, regions)| {
            let set_for_run = SetForRun { projects, regions };
            let profile = profile.map(str::to_owned);
            let settings = Settings { set_for_run, profile, ..settings(&["a", "b"]) };
            machine(settings, kept.clone()).0.fleet.selection
        };
        assert_eq!(of(None, (false, false)), selection(one("b"), Some("eu02")));
        let configured = SelectedProjects::Configured;
        assert_eq!(of(None, (true, false)), selection(configured, Some("eu02")));
        assert_eq!(of(None, (false, true)), selection(one("b"), None));
        assert_eq!(of(Some("night"), (false, false)), selection(one("c"), None));
        assert_eq!(of(Some("new"), (false, false)), Selection::default());
        // A choice in such a run only changes that part of the persisted selection.
        let set_for_run = SetForRun { projects: true, regions: false };
        let for_run = Settings { set_for_run, ..settings(&["a", "b"]) };
        let (mut state, _) = machine(for_run, kept.clone());
        let effects = choose(&mut state, 1, ScopeChoice::Region(None));
        let persisted = effects.iter().find_map(|effect| {
            let Effect::Request(_, Request::Persist(kept, _)) = effect else { return None };
            Some(&kept.selections[""])
        });
        assert_eq!(persisted, Some(&selection(one("b"), None)));
    }

    #[test]
    fn a_kept_project_that_is_not_available_gives_way_unless_its_clusters_are_listed() {
        let mut kept = PersistedState::default();
        let selection = Selection { projects: one("gone"), region: Some(Region::new("eu99")) };
        kept.selections.insert(String::new(), selection);
        let (mut state, effects) = machine(settings(&["a"]), kept.clone());
        assert_eq!(state.fleet.selection.region, None, "no such region is configured");
        let toast =
            |state: &State| state.notices.toast.clone().map_or_else(String::new, |t| t.text);
        assert!(toast(&state).contains("eu99"), "{}", toast(&state));
        let asked = lists(&effects);
        assert!(
            asked.len() == 2 && asked.iter().all(|(_, scope)| scope.project.as_str() == "gone")
        );
        let (mut listed, discovers) = (state.clone(), discovery(&effects));
        let answer = || Message::Answered(discovers, Ok(found(&["a", "b"])));
        let effects = update(&mut state, at(1), answer());
        assert_eq!(state.fleet.selection.projects, SelectedProjects::Configured);
        assert_eq!(lists(&effects).len(), 2, "a is listed at once");
        assert!(toast(&state).contains("gone") && state.fleet.scopes.len() == 4);
        let (request, scope) = asked.first().unwrap().clone();
        // A late answer for it is ignored.
        let late = Message::Answered(request, Ok(listing(&scope, "web")));
        update(&mut state, at(2), late.clone());
        assert!(state.fleet.entries.is_empty());
        update(&mut listed, at(1), late);
        update(&mut listed, at(2), answer());
        assert_eq!(listed.fleet.selection.projects, one("gone"));
        // If discovery fails, the selection stays.
        let (mut state, effects) = machine(settings(&["a"]), kept);
        let failure = Failure::new(FailureKind::Unreachable, "no route");
        update(&mut state, at(1), Message::Answered(discovery(&effects), Err(failure)));
        assert_eq!(state.fleet.selection.projects, one("gone"));
        assert!(state.notices.errors.is_empty());
    }

    #[test]
    fn the_palette_takes_scope_and_profile_and_project_stays_a_filter() {
        let (mut state, effects) = machine(settings(&["shop"]), PersistedState::default());
        let answer = Message::Answered(discovery(&effects), Ok(found(&["shop", "media"])));
        update(&mut state, at(1), answer);
        let settings = &mut state.shared.settings;
        settings.profiles = vec!["night".to_owned()];
        let first = |query: &str| {
            offers(KeyContext::Fleet, query, &state.fleet, &state.shared.settings)
                .into_iter()
                .next()
        };
        let chosen = |query: &str| match first(query) {
            Some(PaletteItem::Scope(item)) => Some(item.choice),
            _ => None,
        };
        assert_eq!(chosen("scope media"), Some(ScopeChoice::Projects(one("media"))));
        let eu02 = ScopeChoice::Region(Some(Region::new("eu02")));
        assert_eq!(chosen("scope EU02"), Some(eu02));
        assert_eq!(chosen("profile ni"), Some(ScopeChoice::Profile(Some("night".to_owned()))));
        assert!(
            matches!(first("project shop"), Some(PaletteItem::Filter(filter)) if filter == "project:shop")
        );
        let filter = |query: &str| match first(query) {
            Some(PaletteItem::Filter(filter)) => Some(filter),
            _ => None,
        };
        assert_eq!(filter("project:sh").as_deref(), Some("project:shop"));
        assert_eq!(filter("proj").as_deref(), Some("project:shop"), "it is not typed to its end");
        for (query, expected) in [
            ("due", "due"),
            ("du", "due"),
            ("!due", "!due"),
            ("!phase:completed", "!phase:completed"),
            ("!phase completed", "!phase:completed"),
            ("~shpd", "~shpd"),
            ("phase prepared project shop", "phase:prepared project:shop"),
            ("stuck age >90d", "stuck age:>90d"),
            ("phase prepared prod", "phase:prepared prod"),
        ] {
            assert_eq!(filter(query).as_deref(), Some(expected), "{query}");
        }
        assert_eq!(filter("complete due"), None, "a filter begins with a term");
        let command = |query: &str| match first(query) {
            Some(PaletteItem::Command(found)) => Some(found.id),
            _ => None,
        };
        assert_eq!(command("scope"), Some("scope"));
        // "filter" comes earlier in the table, but only its description matches.
        assert_eq!(command("so"), Some("sort"));
        assert_eq!(command("copy"), Some("copy"));
    }
}
