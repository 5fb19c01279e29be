//! Rotations from start to completed, and everything that stops one.

use crate::support::Journey;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_goes_from_start_to_completed_by_keys_alone() {
    let mut journey = Journey::begin().await;
    println!("{}", journey.screen());
    journey.press("/alpha<enter>R").await;
    println!("{}", journey.screen());
    journey.press("<tab><enter>").await;
    println!("{}", journey.screen());
}
