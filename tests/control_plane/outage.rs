//! An API server that is away for a while, and comes back with the same certificates or with new ones.

use crate::cluster::HeldRoll;
use crate::processes::{SharedPlane, assets};
use crate::screen::{press, until_left, until_right, until_said};

const UNREACHABLE: &str = ": the API server is unreachable: the API server of alpha";
/// Advice about the server and about the drain.
const ADVICE: &str = "Check the network, the proxy, and the cluster's access control list.";
const FIX: &str = "fix To unblock: add one ready replica, or relax the PDB. Deleting the pod bypasses the PDB; \
                   one replica fewer until it is replaced.";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k8s_37_an_api_server_that_was_away_is_shown_with_age_and_live_again() {
    let Some(assets) = assets() else { return };
    let plane = SharedPlane::with_controllers(&assets, &[]).await;
    let held = HeldRoll::begin(plane.clone()).await;
    let mut terminal = held.open((132, 64));
    for with_new_certificates in [false, true] {
        until_said(&terminal, "nodes live");
        plane.lock().stop_api_server();
        until_said(&terminal, "nodes as of");
        until_left(&terminal, "! Since ");
        until_left(&terminal, UNREACHABLE);
        until_left(&terminal, ADVICE);
        until_right(&terminal, FIX);
        terminal.resize(80, 24);
        until_said(&terminal, ADVICE);
        until_said(&terminal, FIX);
        terminal.resize(132, 64);
        plane.restart(with_new_certificates).await;
        held.grow(&terminal).await;
        until_said(&terminal, "nodes live");
        until_right(&terminal, FIX);
        // It was blocked all the time.
        let screen = terminal.screen();
        assert_eq!(screen.matches("blocked by PodDisruptionBudget").count(), 1, "{screen}");
        assert!(!screen.contains('✓'), "{screen}");
    }
    held.release(&terminal).await;
    press(&mut terminal, &["\x03"]);
    assert_eq!(terminal.end_restored(), 0);
}
