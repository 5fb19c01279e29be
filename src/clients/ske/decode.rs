//! From the JSON of the SKE API to the domain, item by item, so that one unreadable cluster never hides the others.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::clients::ske::wire;
use crate::domain::cluster::{
    Cluster, ClusterId, ClusterName, ClusterState, HibernationSchedule, KubernetesVersion,
    NodePool, ReportedError, Scope,
};
use crate::domain::rotation::{Phase, Rotation};
use crate::domain::secret::Secret;
use crate::domain::text::clean;

/// Reads a `ListClustersResponse`: the clusters, and how many items had no usable name.
///
/// # Errors
/// Where the text stops being a list of clusters; never the text itself.
pub fn list(scope: &Scope, body: &[u8]) -> Result<(Vec<Cluster>, usize), String> {
    let items =
        serde_json::from_slice::<Items>(body).map_err(|error| describe_error(&error))?.items;
    let items = items.unwrap_or_default();
    let all = items.len();
    let clusters: Vec<Cluster> = items
        .into_iter()
        .filter_map(|Lenient(item)| {
            let item = item?;
            let name = item.name.clone().filter(|name| is_usable_name(name))?;
            let id = ClusterId { scope: scope.clone(), name: ClusterName::new(name) };
            Some(cluster(id, item))
        })
        .collect();
    let skipped = all.saturating_sub(clusters.len());
    Ok((clusters, skipped))
}

/// Reads one cluster, which was asked for as `id`.
///
/// # Errors
/// Where the text stops being a cluster; never the text itself.
pub fn one(id: &ClusterId, body: &[u8]) -> Result<Cluster, String> {
    let Lenient(item) = serde_json::from_slice(body).map_err(|error| describe_error(&error))?;
    let item = item.ok_or("it is not an object")?;
    if item.name.as_deref().is_some_and(|name| name != id.name.as_str()) {
        return Err("it is another cluster".to_owned());
    }
    Ok(cluster(id.clone(), item))
}

/// Reads a kubeconfig answer: the YAML and its end.
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
    Ok((text, answer.expiration_timestamp.as_deref().and_then(parse_timestamp)))
}

#[derive(Deserialize)]
struct Items {
    items: Option<Vec<Lenient>>,
}

/// A cluster whose unreadable parts are left out; `None` when it is no object at all.
struct Lenient(Option<wire::Cluster>);

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        drop_nulls(&mut value);
        if let Ok(cluster) = wire::Cluster::deserialize(&value) {
            return Ok(Self(value.is_object().then_some(cluster)));
        }
        prune::<wire::Cluster>(&mut value);
        Ok(Self(wire::Cluster::deserialize(&value).ok().filter(|_| value.is_object())))
    }
}

/// Removes the fields that do not fit: inside `status` one by one, elsewhere whole.
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

/// A null says the same as an absent field.
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

fn cluster(id: ClusterId, item: wire::Cluster) -> Cluster {
    let status = item.status.unwrap_or_default();
    let rotation = status.credentials_rotation.clone().unwrap_or_default();
    Cluster {
        id,
        created: status.creation_time.as_deref().and_then(parse_timestamp),
        version: KubernetesVersion::new(&clean(&item.kubernetes.unwrap_or_default().version)),
        version_expires: status
            .expiration
            .as_ref()
            .and_then(|expiration| expiration.kubernetes.as_ref()?.expiration_date.as_deref())
            .and_then(parse_timestamp),
        state: state(status.aggregated.as_deref().unwrap_or_default()),
        hibernated: status.hibernated,
        rotation: Rotation {
            phase: Phase::from_api_word(rotation.phase.as_deref().unwrap_or_default()),
            initiated: rotation.last_initiation_time.as_deref().and_then(parse_timestamp),
            completed: rotation.last_completion_time.as_deref().and_then(parse_timestamp),
        },
        pools: item.nodepools.into_iter().map(pool).collect(),
        problems: problems(&status),
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

fn pool(pool: wire::Nodepool) -> NodePool {
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
    }
}

/// `errors[]`, and the older `error` unless it says the same.
fn problems(status: &wire::ClusterStatus) -> Vec<ReportedError> {
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

fn parse_timestamp(text: &str) -> Option<Timestamp> {
    text.trim().parse().ok()
}

/// "HH:MM" in UTC of a moment whose date is a dummy.
fn time_of_day(text: &str) -> Option<String> {
    if let Some(at) = parse_timestamp(text) {
        return Some(at.strftime("%H:%M").to_string());
    }
    let time = text.split_once('T').map_or(text, |(_, time)| time);
    let mut parts = time.split(':').map(|part| part.parse::<u8>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    (hour < 24 && minute < 60).then(|| format!("{hour:02}:{minute:02}"))
}

/// A name is an address: it is taken exactly as it is or not at all.
fn is_usable_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && clean(name) == name
}

/// Line and column only: messages of serde may quote the text.
fn describe_error(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "truncated JSON",
        serde_json::error::Category::Data => "a field has another type",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
    };
    format!("{what} at line {}, column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use crate::clients::ske::decode::{kubeconfig, list, one};
    use crate::domain::cluster::{ClusterId, ClusterState, Scope};
    use crate::domain::rotation::Phase;

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
    fn the_deprecated_error_is_listed_beside_the_new_ones() {
        let body = br#"{"status":{"errors":[{"code":"A","message":"a"}],"error":{"code":"B","details":"b"}}}"#;
        let cluster = one(&ClusterId::new("p", "eu01", "x"), body).unwrap();
        let errors: Vec<_> =
            cluster.problems.iter().map(|problem| (&*problem.code, &*problem.message)).collect();
        assert_eq!(errors, [("A", "a"), ("B", "b")]);
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
        fn api_07_any_bytes_end_in_a_value_or_a_sentence(body in any::<Vec<u8>>()) {
            if let Err(reason) = list(&scope(), &body) {
                prop_assert!(reason.contains("line"));
            }
        }

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
            prop_assert!(clusters[0].state.word().chars().all(|c| !c.is_control()));
            prop_assert!(clusters[0].rotation.phase.word().chars().all(|c| !c.is_control()));
        }
    }
}
