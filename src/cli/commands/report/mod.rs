//! `skeys report`: journal records about the rotations of a cluster. Reads only the journal.

mod render;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::cli::args::{Flags, ReportOf};
use crate::cli::commands::wait::target::{Target, address};
use crate::cli::output::Output;
use crate::clock::Clock;
use crate::domain::cluster::ClusterId;
use crate::domain::rotation_report::{RotationReport, rotations};
use crate::domain::text::plural;
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::store::journal::{EXTRACT_BYTES, Journal};
use crate::store::private_file::check_private;

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

/// Reads the journal in the state folder and reports on the cluster.
///
/// # Errors
/// As [`create_report`], and that there is no folder.
pub async fn run(
    flags: &Flags,
    arguments: &ReportOf,
    (clock, state_folder): (Clock, Option<PathBuf>),
) -> anyhow::Result<Output> {
    let folder = state_folder.context(text::NO_FOLDER)?;
    let (flags, arguments, now) = (flags.clone(), arguments.clone(), clock.now());
    let read = move || {
        // A journal that others can write is no evidence.
        check_private(&folder)?;
        create_report(&flags, &arguments, &Journal::open(&folder)?, now)
    };
    Ok(Output::success(run_blocking(&clock, FILE_LIMIT, "journal", read).await??))
}

/// The report. `now` is this machine's time.
///
/// # Errors
/// The journal cannot be read, has no record of the cluster, or has several clusters of that name.
fn create_report(
    flags: &Flags,
    arguments: &ReportOf,
    journal: &Journal,
    now: Timestamp,
) -> anyhow::Result<String> {
    let allows = |given: &[String], own: &str| given.is_empty() || given.iter().any(|g| g == own);
    let is_wanted = |id: &ClusterId| {
        allows(&flags.project, id.project().as_str())
            && allows(&flags.region, id.region().as_str())
            && match &arguments.cluster {
                Target::Whole(whole) => whole == id,
                Target::Name(name) => *name == id.name,
            }
    };
    let extract = journal.extract(EXTRACT_BYTES, is_wanted)?;
    let found: BTreeSet<&ClusterId> =
        extract.records.iter().filter_map(|record| record.cluster.as_ref()).collect();
    let mut found = found.into_iter();
    let cluster = match (found.next(), found.next()) {
        (Some(cluster), None) => cluster.clone(),
        (None, _) => {
            let lines = plural(extract.skipped, text::LINE, text::LINES);
            let unread = [
                extract.is_cut.then(|| text::older(EXTRACT_BYTES / 1024 / 1024)),
                (extract.skipped > 0).then(|| text::unread(lines)),
            ];
            let nothing = text::nothing(journal.name(), &arguments.cluster);
            anyhow::bail!(unread.into_iter().flatten().fold(nothing, |all, why| all + &why))
        }
        (Some(one), Some(two)) => {
            let all: Vec<String> = [one, two].into_iter().chain(found).map(address).collect();
            anyhow::bail!(text::ambiguous(&arguments.cluster, all.join(", ")));
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
    Ok(render::report(&report, arguments.format))
}
