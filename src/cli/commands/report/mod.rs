//! `skeys report`: what the journal records about the rotations of a cluster. It reads only the journal.

mod render;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::cli::args::ReportFormat;
use crate::cli::commands::wait::target::{Target, address};
use crate::domain::cluster::ClusterId;
use crate::domain::rotation_report::{RotationReport, rotations};
use crate::store::journal::{EXTRACT_BYTES, Journal};

pub use crate::cli::commands::report::text::NO_FOLDER;

/// Which cluster, and how it is printed.
pub struct Order {
    pub target: Target,
    /// Only clusters of these; empty: of all.
    pub projects: Vec<String>,
    /// Only clusters of these; empty: of all.
    pub regions: Vec<String>,
    pub format: ReportFormat,
}

struct Report {
    cluster: ClusterId,
    journal: String,
    at: Timestamp,
    rotations: Vec<RotationReport>,
    /// Lines of the journal that could not be read.
    skipped: usize,
    /// Whether older lines were not read.
    is_cut: bool,
}

/// The report. `now`: by this machine's clock.
///
/// # Errors
/// The journal cannot be read, has no record of the cluster, or has several clusters of that name.
pub fn run(order: &Order, journal: &Journal, now: Timestamp) -> Result<String, String> {
    let allows = |given: &[String], own: &str| given.is_empty() || given.iter().any(|g| g == own);
    let is_wanted = |id: &ClusterId| {
        allows(&order.projects, id.project().as_str())
            && allows(&order.regions, id.region().as_str())
            && match &order.target {
                Target::Whole(whole) => whole == id,
                Target::Name(name) => *name == id.name,
            }
    };
    let extract = journal.extract(EXTRACT_BYTES, is_wanted).map_err(|error| error.to_string())?;
    let found: BTreeSet<&ClusterId> =
        extract.records.iter().filter_map(|record| record.cluster.as_ref()).collect();
    let mut found = found.into_iter();
    let cluster = match (found.next(), found.next()) {
        (Some(cluster), None) => cluster.clone(),
        (None, _) => return Err(text::nothing(journal.name(), &order.target)),
        (Some(one), Some(two)) => {
            let all: Vec<String> = [one, two].into_iter().chain(found).map(address).collect();
            return Err(text::ambiguous(&order.target, all.join(", ")));
        }
    };
    let report = Report {
        cluster,
        journal: journal.name(),
        at: now,
        rotations: rotations(&extract.records),
        skipped: extract.skipped,
        is_cut: extract.is_cut,
    };
    Ok(render::report(&report, order.format))
}
