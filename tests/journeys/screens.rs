//! What the screens offer: the filter, the next step, the form, and where keys lead.

use crate::support::{Journey, Setting};

const PROJECT: &str = "regions = [\"eu01\", \"eu02\"]\n[[projects]]\n\
    id = \"5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21\"\nname = \"shop\"\n";

/// Clusters of one project, each by the lines of its table.
fn scene(clusters: &[&str]) -> String {
    let tables = clusters.iter().map(|lines| format!("[[projects.clusters]]\n{lines}\n"));
    tables.fold(PROJECT.to_owned(), |scene, table| scene + &table)
}

async fn begin(clusters: &[&str]) -> Journey {
    Journey::with(Setting { scene: scene(clusters), ..Setting::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_filter_is_typed_the_cursor_is_on_the_best_match() {
    let mut journey = begin(&[
        "name = \"iamedia\"\nphase = \"PREPARED\"\ninitiated_ago = \"5h\"",
        "name = \"media-enc\"\nphase = \"PREPARED\"\ninitiated_ago = \"5h\"",
        "name = \"iam\"\ninitiated_ago = \"9d\"\ncompleted_ago = \"8d\"",
    ])
    .await;
    // What the cursor is on still matches, and another cluster matches better.
    journey.press("/media-enc<enter>/iamedia<backspace><backspace><backspace><backspace>").await;
    journey.shows("2 of 3");
    journey.press("<enter>K").await;
    journey.shows("━ iam · shop · eu01");
    journey.press("<esc>").await;
    // The old text is selected: typing replaces it, and Esc brings it and the cursor back.
    journey.press("/med<esc>").await;
    journey.shows("2 of 3");
    journey.press("/med<enter>K").await;
    journey.shows("━ media-enc · shop · eu01");
    journey.press("<esc>/!iam<enter>").await;
    journey.shows("1 of 3");
    journey.press("/mdc<enter>").await;
    journey.shows("1 of 3");
    journey.press("/~ia<enter>").await;
    journey.hides("1 of 3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn esc_clears_the_filter_before_the_message() {
    let mut journey =
        begin(&["name = \"alpha\"\ninitiated_ago = \"9d\"\ncompleted_ago = \"8d\""]).await;
    journey.press("/nothing<enter>w<esc>").await;
    journey.hides("Nothing matches");
    journey.shows("Watch: no cluster selected");
}
