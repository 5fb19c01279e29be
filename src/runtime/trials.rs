//! Tries the credentials of kubeconfig files.

use std::path::Path;

use crate::clients::kubernetes::{TriedContext, TriedFile, try_credential};
use crate::clock::Clock;
use crate::domain::credential::{KubeconfigLocation, Trial};
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::store::kubeconfigs::Kubeconfigs;

/// Tries the credential at a location; only those in files can be tried.
pub async fn try_location(
    location: &KubeconfigLocation,
    kubeconfigs: &Kubeconfigs,
    clock: &Clock,
) -> Trial {
    let Some((path, context)) = location.entry() else {
        return Trial::NotTried("it is not in a file".to_owned());
    };
    let (kubeconfigs, shown) = (kubeconfigs.clone(), path.to_owned());
    let wanted = context.to_owned();
    let read = move || read_context(&kubeconfigs, &shown, &wanted);
    let read = run_blocking(clock, FILE_LIMIT, path, read).await;
    match read.map_err(|failure| failure.message).and_then(|read| read) {
        Ok(tried) => try_credential(tried, clock).await,
        Err(why) => Trial::NotTried(why),
    }
}

/// Reads a context of a file given in shown form, with all files that it names.
fn read_context(
    kubeconfigs: &Kubeconfigs,
    shown: &str,
    context: &str,
) -> Result<TriedContext, String> {
    let asked = kubeconfigs.path_of_shown(shown);
    let files = kubeconfigs.read_files(shown)?.into_iter().map(|(file, text)| TriedFile {
        folder: file.parent().map(Path::to_owned).unwrap_or_default(),
        is_asked: Some(&file) == asked.as_ref(),
        text,
    });
    TriedContext::read(&files.collect::<Vec<_>>(), context, &Kubeconfigs::read_named)
}
