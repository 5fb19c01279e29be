//! Which operations SKE accepts in which rotation phase and cluster state, and how it refuses the others: written
//! independently from the published API and Gardener's admission rules, to reveal wrong rules in the product.

/// An operation that a client requests for one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterOperation {
    StartRotation,
    CompleteRotation,
    WakeUp,
    /// `reconcile` and `maintenance`.
    Reconcile,
    IssueKubeconfig,
}

/// An error of the SKE API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
}

impl ApiError {
    /// An error with status, code and message.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "NotFound", message)
    }

    /// 404 for a cluster.
    pub fn cluster_not_found(name: &str) -> Self {
        Self::not_found(format!("cluster \"{name}\": not found"))
    }

    /// The state of the cluster does not allow the request.
    pub fn failed_precondition(message: impl Into<String>) -> Self {
        Self::new(400, "FailedPrecondition", message)
    }

    /// The request is malformed.
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidArgument", message)
    }
}

/// Checks an operation against the cluster's phase and state, both in the API's words.
///
/// Start and completion: Gardener's `validateShootOperation`. Kubeconfigs: Gardener's issuer, which only needs the
/// address of an API server. Wake-up of a running cluster: accepted without effect (OpenAPI). No reason is known to
/// refuse a reconcile.
///
/// # Errors
/// The refusal in the platform's words.
pub fn check_operation(
    operation: ClusterOperation,
    phase: &str,
    state: &str,
) -> Result<(), ApiError> {
    let hibernated = matches!(state, "STATE_HIBERNATED" | "STATE_HIBERNATING" | "STATE_WAKINGUP");
    let refusal = match operation {
        ClusterOperation::StartRotation if hibernated => {
            "operation 'rotate-credentials-start' is not permitted when shoot is hibernated or is \
             waking up"
        }
        ClusterOperation::StartRotation if matches!(state, "STATE_CREATING" | "STATE_DELETING") => {
            "cannot start rotation of all credentials if shoot was not yet created successfully or \
             is not ready for reconciliation"
        }
        ClusterOperation::StartRotation if !matches!(phase, "NEVER" | "COMPLETED") => {
            "cannot start rotation of all credentials if \
             .status.credentials.rotation.certificateAuthorities.phase is not 'Completed'"
        }
        ClusterOperation::CompleteRotation if hibernated => {
            "operation 'rotate-credentials-complete' is not permitted when shoot is hibernated or \
             is waking up"
        }
        ClusterOperation::CompleteRotation if phase != "PREPARED" => {
            "cannot complete rotation of all credentials if \
             .status.credentials.rotation.certificateAuthorities.phase is not 'Prepared'"
        }
        ClusterOperation::IssueKubeconfig if state == "STATE_CREATING" => {
            "no suitable advertised address for kube-apiserver found in .status.advertisedAddresses"
        }
        ClusterOperation::StartRotation
        | ClusterOperation::CompleteRotation
        | ClusterOperation::WakeUp
        | ClusterOperation::Reconcile
        | ClusterOperation::IssueKubeconfig => return Ok(()),
    };
    Err(ApiError::failed_precondition(refusal))
}

/// Parses `expirationSeconds` of a kubeconfig request: 10 minutes to 180 days, one hour if absent.
pub fn check_expiration(seconds: Option<&str>) -> Result<i64, ApiError> {
    let seconds = seconds.map_or(Ok(3_600), str::parse::<i64>).ok();
    seconds.filter(|seconds| (600..=15_552_000).contains(seconds)).ok_or_else(|| {
        ApiError::invalid_argument("expirationSeconds must be between 600 and 15552000")
    })
}

/// Rejects IDP kubeconfigs for clusters without IDP access.
pub fn check_idp(enabled: bool) -> Result<(), ApiError> {
    let refusal = "idp access is not enabled for this cluster";
    if enabled { Ok(()) } else { Err(ApiError::failed_precondition(refusal)) }
}

/// Whether a cluster that never rotated has a static token: Kubernetes below 1.27 only.
pub fn has_static_token(version: &str, phase: &str) -> bool {
    let mut numbers = version.split('.').map(str::parse::<u32>);
    phase == "NEVER" && matches!((numbers.next(), numbers.next()), (Some(Ok(1)), Some(Ok(..27))))
}

/// The refusal of the static token endpoint, once a kubeconfig was issued or a rotation started.
pub fn static_token_refused() -> ApiError {
    ApiError::failed_precondition(
        "endpoint is unavailable for clusters that have already obtained a kubeconfig or triggered a \
         credentials rotation via the new endpoints",
    )
}

#[cfg(test)]
mod tests {
    use crate::simulator::rules::{
        ClusterOperation, check_expiration, check_operation, has_static_token,
    };

    const PHASES: [&str; 6] =
        ["NEVER", "PREPARING", "PREPARED", "COMPLETING", "COMPLETED", "WAITING_FOR_WORKERS"];
    const STATES: [&str; 9] = [
        "STATE_HEALTHY",
        "STATE_UNHEALTHY",
        "STATE_RECONCILING",
        "STATE_CREATING",
        "STATE_DELETING",
        "STATE_HIBERNATING",
        "STATE_HIBERNATED",
        "STATE_WAKINGUP",
        "STATE_UNKNOWN",
    ];

    /// An excerpt of each refusal, by the words of the tables below; empty if accepted.
    fn excerpt(answer: &str) -> &str {
        match answer {
            "yes" => "",
            "hibernated" => "is not permitted when shoot is hibernated or is waking up",
            "not ready" => "not yet created successfully or is not ready for reconciliation",
            "phase" => "certificateAuthorities.phase is not",
            "no address" => "no suitable advertised address",
            other => panic!("{other}"),
        }
    }

    /// Checks results by state, for the phases in the order of `PHASES`.
    fn holds(operation: ClusterOperation, table: &[(&str, [&str; 6])]) {
        assert_eq!(table.iter().map(|(state, _)| *state).collect::<Vec<_>>(), STATES);
        for (state, answers) in table {
            for (phase, answer) in PHASES.into_iter().zip(*answers) {
                let found = check_operation(operation, phase, state);
                assert_eq!(found.is_ok(), answer == "yes", "{operation:?} {phase} {state}");
                if let Err(refusal) = found {
                    assert_eq!((refusal.status, refusal.code), (400, "FailedPrecondition"));
                    let message = &refusal.message;
                    assert!(message.contains(excerpt(answer)), "{phase} {state}: {message}");
                }
            }
        }
    }

    fn everywhere(answer: &'static str) -> [&'static str; 6] {
        [answer; 6]
    }

    #[test]
    fn sim_02_a_rotation_starts_from_a_resting_phase_of_a_running_cluster() {
        let running = ["yes", "phase", "phase", "phase", "yes", "phase"];
        holds(
            ClusterOperation::StartRotation,
            &[
                ("STATE_HEALTHY", running),
                ("STATE_UNHEALTHY", running),
                ("STATE_RECONCILING", running),
                ("STATE_CREATING", everywhere("not ready")),
                ("STATE_DELETING", everywhere("not ready")),
                ("STATE_HIBERNATING", everywhere("hibernated")),
                ("STATE_HIBERNATED", everywhere("hibernated")),
                ("STATE_WAKINGUP", everywhere("hibernated")),
                ("STATE_UNKNOWN", running),
            ],
        );
    }

    #[test]
    fn sim_02_only_a_prepared_rotation_is_completed_whatever_the_workers_do() {
        let awake = ["phase", "phase", "yes", "phase", "phase", "phase"];
        holds(
            ClusterOperation::CompleteRotation,
            &[
                ("STATE_HEALTHY", awake),
                ("STATE_UNHEALTHY", awake),
                ("STATE_RECONCILING", awake),
                ("STATE_CREATING", awake),
                ("STATE_DELETING", awake),
                ("STATE_HIBERNATING", everywhere("hibernated")),
                ("STATE_HIBERNATED", everywhere("hibernated")),
                ("STATE_WAKINGUP", everywhere("hibernated")),
                ("STATE_UNKNOWN", awake),
            ],
        );
    }

    #[test]
    fn sim_02_kubeconfigs_need_an_api_server_and_nothing_refuses_wake_up_and_reconcile() {
        for operation in [
            ClusterOperation::IssueKubeconfig,
            ClusterOperation::WakeUp,
            ClusterOperation::Reconcile,
        ] {
            let issues = operation == ClusterOperation::IssueKubeconfig;
            holds(
                operation,
                &STATES.map(|state| match state {
                    "STATE_CREATING" if issues => (state, everywhere("no address")),
                    _ => (state, everywhere("yes")),
                }),
            );
        }
    }

    #[test]
    fn sim_02_expirations_lie_between_ten_minutes_and_180_days() {
        for (text, seconds) in [
            (None, Some(3_600)),
            (Some("600"), Some(600)),
            (Some("15552000"), Some(15_552_000)),
            (Some("599"), None),
            (Some("15552001"), None),
            (Some("1h"), None),
            (Some("-600"), None),
        ] {
            assert_eq!(check_expiration(text).ok(), seconds, "{text:?}");
        }
    }

    #[test]
    fn sim_02_static_tokens_ended_with_kubernetes_1_27_and_end_with_the_first_rotation() {
        assert!(has_static_token("1.26.15", "NEVER"));
        assert!(!has_static_token("1.26.15", "COMPLETED"));
        assert!(!has_static_token("1.27.0", "NEVER"));
        assert!(!has_static_token("2.1.0", "NEVER"));
    }
}
