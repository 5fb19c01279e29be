//! A day of polling while clusters change, vanish and return: the state must not grow.
#![expect(clippy::wildcard_enum_match_arm, reason = "requests that are not answered here")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::SignedDuration;

use crate::app::effect::{Effect, Request};
use crate::app::keymap::Keymap;
use crate::app::message::{Answer, Message};
use crate::app::now::Now;
use crate::app::settings::Settings;
use crate::app::state::State;
use crate::app::update::{begin, next_wake, refresh_rows, update};
use crate::domain::cluster::{Cluster, ClusterId, Listing, ProjectId, Region, Scope};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::fixtures::{cluster, now};
use crate::domain::persisted::PersistedState;
use crate::domain::rotation::Phase;

const PROJECTS: usize = 200;
const IN_SCOPE: usize = 25;

fn at(passed: Duration) -> Now {
    Now { wall: now() + SignedDuration::try_from(passed).unwrap(), monotonic: passed }
}

/// Counts written bytes.
struct Counter(usize);

impl std::fmt::Write for Counter {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Size of the state without the clusters, as the length of its `Debug` output.
fn extent(state: &State) -> usize {
    let (mut all, mut clusters) = (Counter(0), Counter(0));
    write!(all, "{state:?}").unwrap();
    write!(clusters, "{:?}", state.fleet.entries).unwrap();
    all.0 - clusters.0
}

/// A fake server whose clusters change at random with each list.
struct Cloud {
    clusters: BTreeMap<Scope, Vec<Cluster>>,
    random: fastrand::Rng,
    created: u64,
}

impl Cloud {
    fn new(scopes: impl Iterator<Item = Scope>) -> Self {
        let mut cloud =
            Self { clusters: BTreeMap::new(), random: fastrand::Rng::with_seed(7), created: 0 };
        for scope in scopes {
            let clusters = (0..IN_SCOPE).map(|_| cloud.create(&scope)).collect();
            cloud.clusters.insert(scope, clusters);
        }
        cloud
    }

    fn create(&mut self, scope: &Scope) -> Cluster {
        self.created += 1;
        let phases = [Phase::Completed, Phase::Prepared, Phase::Never];
        let mut created = cluster("c", self.random.choice(phases).unwrap());
        let name = format!("c-{:08}", self.created);
        created.id = ClusterId::new(scope.project.as_str(), scope.region.as_str(), &name);
        created
    }

    /// Answers a list; occasionally with a failure, a changed phase, or a cluster replaced by another.
    fn list(&mut self, scope: &Scope) -> Result<Listing, Failure> {
        let fate = self.random.u8(..100);
        if fate < 2 {
            return Err(Failure::new(FailureKind::Server, "HTTP 503"));
        }
        let place = self.random.usize(..IN_SCOPE);
        if fate < 30 {
            let created = self.create(scope);
            self.clusters.get_mut(scope).unwrap()[place] = created;
        } else {
            // Scopes with a running step are listed often: keep them few.
            let is_busy = scope.project.as_str() == "p-000" && fate > 90;
            let changed = &mut self.clusters.get_mut(scope).unwrap()[place];
            let phase = match changed.rotation.phase {
                Phase::Completed if !is_busy => Phase::Prepared,
                Phase::Prepared if !is_busy => Phase::Completed,
                Phase::Completed => Phase::Preparing,
                Phase::Preparing => Phase::Prepared,
                Phase::Prepared => Phase::Completing,
                _ => Phase::Completed,
            };
            *changed = Cluster { id: changed.id.clone(), ..cluster("c", phase) };
        }
        let mut clusters = self.clusters[scope].clone();
        let skipped = usize::from(fate > 97);
        clusters.truncate(IN_SCOPE - skipped);
        Ok(Listing { clusters, skipped, skew: None })
    }
}

#[test]
fn res_02_a_day_of_polling_ten_thousand_clusters_keeps_no_more_than_its_first_hour() {
    let mut settings = Settings::defaults();
    let names = (0..PROJECTS).map(|number| format!("p-{number:03}"));
    settings.projects = names.map(|name| (ProjectId::new(name), None)).collect();
    settings.regions = ["eu01", "eu02"].map(Region::new).to_vec();
    settings.poll_idle = Duration::from_hours(1);
    let persisted = PersistedState::default();
    let mut state = State::new(settings, Keymap::default(), persisted, at(Duration::ZERO), 1);
    let mut cloud = Cloud::new(state.fleet.scopes.keys().cloned());
    let mut effects = begin(&mut state);
    let mut extents = Vec::new();
    let mut lists = 0_u32;
    for hour in 1..=24 {
        while state.shared.now.monotonic < Duration::from_hours(hour) {
            let requests: Vec<_> = std::mem::take(&mut effects)
                .into_iter()
                .filter_map(|effect| match effect {
                    Effect::Request(request, asked) => Some((request, asked)),
                    _ => None,
                })
                .collect();
            for (request, asked) in requests {
                lists += u32::from(matches!(asked, Request::List(_)));
                let answer = match asked {
                    Request::List(scope) => cloud.list(&scope).map(Answer::Clusters),
                    Request::NameProjects(ids) => Ok(Answer::ProjectNames(
                        ids.into_iter().map(|id| (id.clone(), format!("name of {id}"))).collect(),
                    )),
                    _ => Err(Failure::new(FailureKind::NotPossible, "not here")),
                };
                let answered = Message::Answered(request, answer);
                let moment = state.shared.now;
                effects.extend(update(&mut state, moment, answered));
            }
            if effects.is_empty() {
                let wake = next_wake(&state).unwrap().max(state.shared.now.monotonic);
                effects = update(&mut state, at(wake), Message::Ticked);
            }
        }
        refresh_rows(&mut state);
        extents.push(extent(&state));
        // Some are about to be missing a second time.
        let known = state.fleet.entries.len();
        assert!(known <= 2 * PROJECTS * (IN_SCOPE + 2), "{known} clusters");
    }
    assert!(lists > 9_000, "{lists} lists");
    // The activity is full after an hour or two.
    let (first, most) = (extents[1], extents.iter().copied().max().unwrap());
    assert!(most <= first + first / 50, "{extents:?}");
}
