//! From the JSON of the SKE API to the domain, item by item, so that one malformed cluster does not hide the others.

use std::collections::HashSet;
use std::fmt;

use jiff::Timestamp;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::clients::list_body::ListBody;
use crate::clients::ske::bounded::BoundedValue;
use crate::clients::ske::wire;
use crate::domain::cluster::{
    Cluster, ClusterId, ClusterName, ClusterState, HibernationSchedule, KubernetesVersion,
    NodePool, ReportedError, Scope,
};
use crate::domain::rotation::{Phase, Rotation};
use crate::domain::secret::Secret;
use crate::domain::text::{clean, grouped};

/// Maximum errors kept per cluster.
const MOST_PROBLEMS: usize = 100;
/// Maximum clusters kept per project and region.
const MOST_CLUSTERS: usize = 50_000;

/// Reads a `ListClustersResponse`: the clusters, and how many items had no usable name or exceeded the limit.
///
/// # Errors
/// Position where the text stops being a list of clusters; never the text itself.
pub fn list(scope: &Scope, body: &[u8]) -> Result<(Vec<Cluster>, usize), String> {
    let ListBody(Items { named, skipped }) =
        serde_json::from_slice(body).map_err(|error| describe_error(&error))?;
    // Duplicates are dropped.
    let mut names = HashSet::new();
    let once = named.into_iter().filter(|(name, _)| names.insert(name.clone()));
    let clusters = once.into_iter().map(|(name, item)| {
        let id = ClusterId { scope: scope.clone(), name: ClusterName::new(name) };
        cluster(id, item)
    });
    Ok((clusters.collect(), skipped))
}

/// Reads one cluster, requested as `id`.
///
/// # Errors
/// Position where the text stops being a cluster; never the text itself.
pub fn one(id: &ClusterId, body: &[u8]) -> Result<Cluster, String> {
    let Lenient(item) = serde_json::from_slice(body).map_err(|error| describe_error(&error))?;
    let item = item.ok_or("it is not an object")?;
    if item.cluster.name.as_deref().is_some_and(|name| name != id.name.as_str()) {
        return Err("it is another cluster".to_owned());
    }
    if item.cluster.name.is_none() && item.cluster.status.is_none() {
        return Err("it has neither name nor status".to_owned());
    }
    Ok(cluster(id.clone(), item))
}

/// Reads a kubeconfig response: the YAML and its expiry.
///
/// # Errors
/// What is missing; never the text itself.
pub fn kubeconfig(body: &[u8]) -> Result<(Secret, Option<Timestamp>), String> {
    let answer: wire::Kubeconfig =
        serde_json::from_slice(body).map_err(|error| describe_error(&error))?;
    let text = answer
        .kubeconfig
        .map(Secret::new)
        .filter(|text| !text.expose().trim().is_empty())
        .ok_or("it has no kubeconfig")?;
    Ok((text, moment(answer.expiration_timestamp.as_deref())))
}

/// The clusters that have a usable name, and the number of others.
#[derive(Default)]
struct Items {
    named: Vec<(String, Item)>,
    skipped: usize,
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor;

        impl<'de> Visitor<'de> for ItemsVisitor {
            type Value = Items;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items, A::Error> {
                let mut items = Items::default();
                while let Some(Lenient(item)) = list.next_element()? {
                    let named = item.and_then(|item| {
                        let name = item.cluster.name.clone();
                        Some((name.filter(|name| is_usable_name(name))?, item))
                    });
                    match named.filter(|_| items.named.len() < MOST_CLUSTERS) {
                        Some(named) => items.named.push(named),
                        None => items.skipped = items.skipped.saturating_add(1),
                    }
                }
                Ok(items)
            }
        }

        deserializer.deserialize_seq(ItemsVisitor)
    }
}

/// A cluster as sent, reduced to the fields in use.
struct Item {
    cluster: wire::Cluster,
    /// Fields whose array was truncated, and the number of items dropped.
    cut: Vec<(String, usize)>,
}

/// A cluster without its malformed parts; `None` if it is not an object.
struct Lenient(Option<Item>);

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let BoundedValue { mut value, cut } = BoundedValue::deserialize(deserializer)?;
        if !value.is_object() {
            return Ok(Self(None));
        }
        drop_nulls(&mut value);
        let cluster = wire::Cluster::deserialize(&value).or_else(|_| {
            prune::<wire::Cluster>(&mut value);
            wire::Cluster::deserialize(&value)
        });
        Ok(Self(cluster.ok().map(|cluster| Item { cluster, cut })))
    }
}

/// Removes fields of the wrong type: individually inside `status`, elsewhere as a whole.
fn prune<T: for<'a> Deserialize<'a>>(value: &mut Value) {
    let Value::Object(fields) = value else { return };
    if let Some(status) = fields.get_mut("status")
        && wire::ClusterStatus::deserialize(&*status).is_err()
    {
        prune::<wire::ClusterStatus>(status);
    }
    fields.retain(|name, field| {
        let mut alone = serde_json::Map::new();
        alone.insert(name.clone(), field.take());
        let alone = Value::Object(alone);
        let fits = T::deserialize(&alone).is_ok();
        if let Value::Object(mut back) = alone
            && let Some(original) = back.remove(name)
        {
            *field = original;
        }
        fits
    });
}

/// A null is the same as an absent field.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn cluster(id: ClusterId, item: Item) -> Cluster {
    let Item { cluster: item, cut } = item;
    let status = item.status.unwrap_or_default();
    let rotation = status.credentials_rotation.clone().unwrap_or_default();
    let expiration = status.expiration.as_ref();
    Cluster {
        id,
        created: moment(status.creation_time.as_deref()),
        version: KubernetesVersion::new(&clean(&item.kubernetes.unwrap_or_default().version)),
        version_expires: expiration.and_then(|expiration| {
            moment(expiration.kubernetes.as_ref()?.expiration_date.as_deref())
        }),
        labels: item.labels.into_iter().map(|(key, value)| (clean(&key), clean(&value))).collect(),
        state: state(status.aggregated.as_deref().unwrap_or_default()),
        hibernated: status.hibernated,
        rotation: Rotation {
            phase: Phase::from_api_word(rotation.phase.as_deref().unwrap_or_default()),
            initiated: moment(rotation.last_initiation_time.as_deref()),
            completed: moment(rotation.last_completion_time.as_deref()),
        },
        pools: item.nodepools.into_iter().map(|one| pool(one, expiration)).collect(),
        problems: problems(&status, &cut),
        schedules: item
            .hibernation
            .unwrap_or_default()
            .schedules
            .into_iter()
            .map(|schedule| HibernationSchedule {
                start: clean(&schedule.start),
                end: clean(&schedule.end),
                timezone: clean(&schedule.timezone.unwrap_or_default()),
            })
            .collect(),
        maintenance: item
            .maintenance
            .and_then(|maintenance| maintenance.time_window)
            .and_then(|window| Some((time_of_day(&window.start)?, time_of_day(&window.end)?))),
        idp: item.access.and_then(|access| access.idp).is_some_and(|idp| idp.enabled),
        unhealthy: None,
    }
}

fn pool(pool: wire::Nodepool, expiration: Option<&wire::Expiration>) -> NodePool {
    let mut expirations = expiration.into_iter().flat_map(|expiration| &expiration.nodepools);
    let expires = expirations.find(|expiration| expiration.name == pool.name);
    let own = pool.kubernetes.map(|kubernetes| kubernetes.version);
    let in_use = expires.and_then(|expires| expires.kubernetes_version.clone());
    // The date belongs to the version beside it, which may not be the wanted one yet.
    let version = [in_use, own].into_iter().flatten().map(|version| clean(&version));
    let version = version.map(|version| version.trim().to_owned()).find(|text| !text.is_empty());
    let machine = pool.machine.unwrap_or_default();
    let image = machine.image.unwrap_or_default();
    NodePool {
        name: clean(&pool.name),
        minimum: pool.minimum,
        maximum: pool.maximum,
        max_surge: pool.max_surge.unwrap_or_default(),
        max_unavailable: pool.max_unavailable.unwrap_or_default(),
        zones: pool.availability_zones.iter().map(|zone| clean(zone)).collect(),
        machine_type: clean(&machine.kind),
        image: clean(format!("{} {}", image.name, image.version).trim()),
        image_expires: expires.and_then(|one| moment(one.os_expiration_date.as_deref())),
        version: version.map(|version| KubernetesVersion::new(&version)),
        version_expires: expires.and_then(|one| moment(one.kubernetes_expiration_date.as_deref())),
    }
}

/// `errors[]`, the older `error` unless it is a duplicate, and finally what was truncated.
fn problems(status: &wire::ClusterStatus, cut: &[(String, usize)]) -> Vec<ReportedError> {
    let lost =
        |field: &str| cut.iter().find(|(name, _)| name == field).map_or(0, |(_, lost)| *lost);
    let mut problems: Vec<ReportedError> = Vec::new();
    let older = status.error.iter().map(|error| {
        let message = error.message.as_deref().filter(|text| !text.is_empty());
        (error.code.as_deref(), message.or(error.details.as_deref()))
    });
    let newer = status.errors.iter().map(|error| (error.code.as_deref(), error.message.as_deref()));
    for (index, (code, message)) in newer.chain(older).enumerate() {
        let problem = ReportedError {
            code: clean(code.unwrap_or_default()),
            message: clean(message.unwrap_or_default()),
        };
        let is_older = index >= status.errors.len();
        let repeats = problems.iter().any(|known| {
            *known == problem
                || is_older && (known.code == problem.code || known.message == problem.message)
        });
        let says_nothing = problem.code.is_empty() && problem.message.is_empty();
        if !repeats && !says_nothing {
            problems.push(problem);
        }
    }
    let more = lost("errors").saturating_add(problems.len().saturating_sub(MOST_PROBLEMS));
    problems.truncate(MOST_PROBLEMS);
    let note = |message: String| ReportedError { code: String::new(), message };
    if more > 0 {
        problems.push(note(format!("and {} more", grouped(more))));
    }
    let pools = lost("nodepools");
    if pools > 0 {
        problems.push(note(format!("and {} more node pools, which are not shown", grouped(pools))));
    }
    problems
}

fn state(text: &str) -> ClusterState {
    match text {
        "STATE_HEALTHY" => ClusterState::Healthy,
        "STATE_CREATING" => ClusterState::Creating,
        "STATE_DELETING" => ClusterState::Deleting,
        "STATE_UNHEALTHY" => ClusterState::Unhealthy,
        "STATE_RECONCILING" => ClusterState::Reconciling,
        "STATE_HIBERNATED" => ClusterState::Hibernated,
        "STATE_HIBERNATING" => ClusterState::Hibernating,
        "STATE_WAKINGUP" => ClusterState::WakingUp,
        other => ClusterState::Unknown(clean(other)),
    }
}

fn moment(text: Option<&str>) -> Option<Timestamp> {
    text?.trim().parse().ok()
}

/// "HH:MM" in UTC of a timestamp whose date is a dummy.
fn time_of_day(text: &str) -> Option<String> {
    if let Some(at) = moment(Some(text)) {
        return Some(at.strftime("%H:%M").to_string());
    }
    let time = text.split_once('T').map_or(text, |(_, time)| time);
    let mut parts = time.split(':').map(|part| part.parse::<u8>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    (hour < 24 && minute < 60).then(|| format!("{hour:02}:{minute:02}"))
}

/// A name is part of the URL: it is used verbatim or not at all.
fn is_usable_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && clean(name) == name
}

/// Line and column only: serde messages may quote the text.
fn describe_error(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "truncated JSON",
        serde_json::error::Category::Data => "a field is missing or has another type",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
    };
    format!("{what} at line {}, column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use crate::clients::ske::decode::{kubeconfig, list, one};
    use crate::domain::cluster::{Cluster, ClusterId, ClusterState, KubernetesVersion, Scope};
    use crate::domain::rotation::Phase;
    use crate::domain::text::clean;
    use crate::fuzz::{changed, fuzz};

    fn scope() -> Scope {
        ClusterId::new("p", "eu01", "x").scope
    }

    #[test]
    fn api_07_unknown_words_are_kept_and_the_rest_is_read() {
        let body = br#"{"items":[{"name":"a","extra":[1,{"b":2}],"kubernetes":{"version":"1.33.4"},
            "maintenance":{"timeWindow":{"start":"0000-01-01T02:00:00Z","end":"0000-01-01T04:30:00Z"}},
            "status":{"aggregated":"STATE_DREAMING\u001b[2J","creationTime":"yesterday",
              "credentialsRotation":{"phase":"PREPARING_SLOWLY","lastInitiationTime":"2026-11-24T10:00:00Z"},
              "errors":[{"code":"SKE_NEW","message":"x"}],"error":{"code":"SKE_NEW","message":"x"}}}]}"#;
        let (clusters, skipped) = list(&scope(), body).unwrap();
        let cluster = &clusters[0];
        assert_eq!(skipped, 0);
        assert_eq!(cluster.rotation.phase, Phase::Unknown("PREPARING_SLOWLY".into()));
        assert_eq!(cluster.state, ClusterState::Unknown("STATE_DREAMING␛[2J".into()));
        assert_eq!(cluster.rotation.initiated, "2026-11-24T10:00:00Z".parse().ok());
        assert_eq!(cluster.created, None);
        assert_eq!(cluster.problems.len(), 1);
        assert_eq!(cluster.maintenance, Some(("02:00".into(), "04:30".into())));
    }

    #[test]
    fn api_07_a_pool_may_have_a_kubernetes_version_of_its_own() {
        let body = r#"{"items":[{"name":"a","kubernetes":{"version":"1.33.4"},"nodepools":[
              {"name":"gpu","minimum":2,"kubernetes":{"version":"1.31.9"}},
              {"name":"next","kubernetes":{"version":"1.33.4"}},
              {"name":"odd","minimum":3,"kubernetes":"1.31.9"},
              {"name":"plain"}],
            "status":{"expiration":{"kubernetes":{"expirationDate":"2027-03-01T00:00:00Z"},"nodepools":[
              {"name":"gpu","kubernetesExpirationDate":"2026-10-01T00:00:00Z","osExpirationDate":"2027-01-01T00:00:00Z"},
              {"name":"next","kubernetesVersion":"1.32.1\u001b","kubernetesExpirationDate":"2026-12-01T00:00:00Z"},
              {"name":"odd","kubernetesVersion":7,"kubernetesExpirationDate":[]},
              {"name":"plain","kubernetesVersion":" ","kubernetesExpirationDate":"soon"}]}}}]}"#;
        let (clusters, _) = list(&scope(), body.as_bytes()).unwrap();
        let cluster = &clusters[0];
        let date = |text: &str| text.parse::<Timestamp>().ok();
        let pools: Vec<_> = cluster
            .pools
            .iter()
            .map(|pool| {
                (
                    &*pool.name,
                    pool.minimum,
                    pool.version.as_ref().map(KubernetesVersion::as_str),
                    pool.version_expires,
                )
            })
            .collect();
        assert_eq!(
            pools,
            [
                ("gpu", 2, Some("1.31.9"), date("2026-10-01T00:00:00Z")),
                // As it is now, not as it is to be.
                ("next", 0, Some("1.32.1␛"), date("2026-12-01T00:00:00Z")),
                ("odd", 3, None, None),
                ("plain", 0, None, None),
            ]
        );
        assert_eq!(cluster.version_expires, date("2027-03-01T00:00:00Z"));
        assert_eq!(cluster.first_version_expires(), date("2026-10-01T00:00:00Z"));
        let told: Vec<_> = cluster.versions().map(|one| (one.pool, one.version.as_str())).collect();
        assert_eq!(told, [(None, "1.33.4"), (Some("gpu"), "1.31.9"), (Some("next"), "1.32.1␛")]);
    }

    #[test]
    fn api_07_one_malformed_item_does_not_hide_the_others() {
        let body = br#"{"items":[7,{"status":{}},{"name":"a\u001b"},
            {"name":"b","nodepools":"many","status":{"hibernated":"no","credentialsRotation":{"phase":"PREPARED"}}},
            {"name":"c","kubernetes":null,"status":null,"nodepools":null}]}"#;
        let (clusters, skipped) = list(&scope(), body).unwrap();
        let names: Vec<&str> = clusters.iter().map(|cluster| cluster.id.name.as_str()).collect();
        assert_eq!((names, skipped), (vec!["b", "c"], 3));
        assert_eq!(clusters[0].rotation.phase, Phase::Prepared);
        assert_eq!(clusters[1].rotation.phase, Phase::Unknown(String::new()));
    }

    #[test]
    fn api_35_an_error_with_status_200_is_neither_an_empty_list_nor_a_cluster() {
        let id = ClusterId::new("p", "eu01", "a");
        for body in [
            r#"{"code":14,"message":"upstream unavailable"}"#,
            r#"{"code":5,"message":"gone","status":"NOT_FOUND"}"#,
            r#"{"error":{"code":503,"status":"UNAVAILABLE"}}"#,
        ] {
            assert!(list(&scope(), body.as_bytes()).is_err(), "{body}");
            assert!(one(&id, body.as_bytes()).is_err(), "{body}");
        }
        assert!(one(&id, b"{}").is_err());
        for body in [r#"{"name":"a"}"#, r#"{"status":{"aggregated":"STATE_HEALTHY"}}"#] {
            assert_eq!(one(&id, body.as_bytes()).unwrap().id, id, "{body}");
        }
        for body in ["{}", r#"{"items":[]}"#, r#"{"items":null}"#] {
            assert_eq!(list(&scope(), body.as_bytes()), Ok((vec![], 0)), "{body}");
        }
    }

    #[test]
    fn api_37_a_cluster_that_is_listed_twice_is_one() {
        let body = br#"{"items":[{"name":"a"},{"name":"b"},{"name":"a"}]}"#;
        let (clusters, skipped) = list(&scope(), body).unwrap();
        let names: Vec<&str> = clusters.iter().map(|cluster| cluster.id.name.as_str()).collect();
        assert_eq!((names, skipped), (vec!["a", "b"], 0));
    }

    #[test]
    fn the_deprecated_error_is_listed_beside_the_new_ones() {
        let body = br#"{"status":{"errors":[{"code":"A","message":"a"}],"error":{"code":"B","details":"b"}}}"#;
        let cluster = one(&ClusterId::new("p", "eu01", "x"), body).unwrap();
        let errors: Vec<_> =
            cluster.problems.iter().map(|problem| (&*problem.code, &*problem.message)).collect();
        assert_eq!(errors, [("A", "a"), ("B", "b")]);
    }

    #[test]
    fn api_28_errors_and_pools_without_end_are_cut_and_counted() {
        let errors: Vec<_> = (0..200_000)
            .map(|n| serde_json::json!({"code": format!("SKE_{n}"), "message": "m"}))
            .collect();
        let pools = vec![serde_json::json!({}); 300_000];
        let body = serde_json::json!({"items": [
            {"name": "a", "nodepools": pools, "status": {"errors": errors, "hibernated": true}},
            {"name": "b", "x": vec![vec![vec![0; 999]; 999]; 9], "status": {"error": {"code": "B"}}},
        ]});
        let (clusters, skipped) = list(&scope(), body.to_string().as_bytes()).unwrap();
        assert_eq!((clusters.len(), skipped), (2, 0));
        let [.., last_error, errors, pools] = &clusters[0].problems[..] else { unreachable!() };
        assert_eq!(last_error.to_string(), "m (SKE_99)");
        assert_eq!(errors.to_string(), "and 199,900 more");
        assert_eq!(pools.to_string(), "and 299,000 more node pools, which are not shown");
        assert_eq!((clusters[0].problems.len(), clusters[0].pools.len()), (102, 1_000));
        assert!(clusters[0].hibernated);
        assert_eq!(clusters[1].id.name.as_str(), "b");
    }

    #[test]
    fn api_28_clusters_without_end_are_cut_and_counted() {
        let named = (0..60_000).map(|number| format!("{{\"name\":\"a{number}\"}},"));
        let body = format!("{{\"items\":[{}{{}}]}}", named.collect::<String>());
        let (clusters, skipped) = list(&scope(), body.as_bytes()).unwrap();
        assert_eq!((clusters.len(), skipped), (50_000, 10_001));
    }

    #[test]
    fn host_04_a_wrong_kubeconfig_answer_is_not_quoted() {
        let reason = kubeconfig(br#"{"kubeconfig":{"hunter2":1},"x":"hunter2"}"#).unwrap_err();
        assert!(!reason.contains("hunter2"), "{reason}");
        assert!(kubeconfig(b"{}").unwrap_err().contains("no kubeconfig"));
        let (_, end) =
            kubeconfig(br#"{"kubeconfig":"a: b","expirationTimestamp":"1970-01-01T00:00:05Z"}"#)
                .unwrap();
        assert_eq!(end, Timestamp::from_second(5).ok());
    }

    proptest! {
        #![proptest_config(crate::property_cases(256))]

        #[test]
        fn api_07_any_fields_of_a_cluster_end_in_clean_words(
            phase in any::<String>(), state in any::<String>(), moment in any::<String>(), number in any::<i64>()
        ) {
            let body = serde_json::json!({"items": [{"name": "a", "nodepools": [{"minimum": number}],
                "maintenance": {"timeWindow": {"start": &moment, "end": &moment}},
                "status": {"aggregated": state, "creationTime": moment,
                    "credentialsRotation": {"phase": phase}}}]}).to_string();
            let (clusters, skipped) = list(&scope(), body.as_bytes()).unwrap();
            prop_assert_eq!((clusters.len(), skipped), (1, 0));
            prop_assert!(clusters[0].state.label().chars().all(|c| !c.is_control()));
            prop_assert!(clusters[0].rotation.phase.label().chars().all(|c| !c.is_control()));
        }
    }

    #[test]
    fn api_07_fuzz_ske_answers() {
        let full = include_str!("../../../tests/contract/fixtures/cluster.json");
        let seeds = [
            format!("{{\"items\":[{full},{full}]}}"),
            full.to_owned(),
            r#"{"name":"a","nodepools":[{"name":"p","minimum":1,"maximum":3,"maxSurge":1,"availabilityZones":["eu01-1"]}],
                "status":{"error":{"code":"B","details":"b"},"errors":[{"code":"A","message":"a"}]}}"#.to_owned(),
            r#"{"kubeconfig":"apiVersion: v1\nkind: Config\n","expirationTimestamp":"2026-11-24T22:00:00Z"}"#.to_owned(),
        ];
        let words = [
            "\"name\":\"a\"",
            "\"items\":",
            "{\"name\":\"b\"},",
            "\"errors\":[{},{}],",
            "\"0000-01-01T25:61:00Z\"",
            "\"phase\":\"PREPARING\",",
            "1.5",
            "-9223372036854775809",
            "{\"a\":1,\"a\":2}",
            "\"..\"",
            "\"a/b\"",
            "\"\\u001b[2J\"",
            "\"\\ud83d\"",
            "\"2026-11-24T14:00:60+25:00\"",
        ];
        let is_clean = |text: &str| clean(text) == text;
        let check = |cluster: &Cluster| {
            prop_assert!(
                is_clean(cluster.state.label()) && is_clean(cluster.rotation.phase.label())
            );
            prop_assert!(is_clean(cluster.id.name.as_str()) && is_clean(cluster.version.as_str()));
            prop_assert!(
                cluster
                    .problems
                    .iter()
                    .all(|problem| is_clean(&problem.code) && is_clean(&problem.message))
            );
            prop_assert!(
                cluster
                    .pools
                    .iter()
                    .all(|pool| is_clean(&pool.name) && is_clean(&pool.machine_type))
            );
            prop_assert!(cluster.problems.len() <= 102 && cluster.pools.len() <= 1_000);
            Ok(())
        };
        fuzz(256, &changed(seeds, &words), |body| {
            match list(&scope(), &body) {
                Ok((clusters, _)) => clusters.iter().try_for_each(check)?,
                Err(reason) => prop_assert!(reason.contains("line"), "{reason}"),
            }
            if let Ok(cluster) = one(&ClusterId::new("p", "eu01", "a"), &body) {
                check(&cluster)?;
            }
            if let Err(reason) = kubeconfig(&body) {
                prop_assert!(is_clean(&reason), "{reason}");
            }
            Ok(())
        });
    }
}
