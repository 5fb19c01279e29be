//! Tries the credentials of kubeconfig files.

use std::path::Path;

use crate::clients::kubernetes::{TriedFile, try_credential};
use crate::clock::Clock;
use crate::domain::credential::{KubeconfigLocation, Trial};
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::store::kubeconfigs::Kubeconfigs;

/// Tries the credential at a place; only what is in a file can be tried.
pub async fn try_place(
    place: &KubeconfigLocation,
    kubeconfigs: &Kubeconfigs,
    clock: &Clock,
) -> Trial {
    let Some((path, context)) = place.entry() else {
        return Trial::NotTried("it is in no file".to_owned());
    };
    let (reader, shown) = (kubeconfigs.clone(), path.to_owned());
    let files = run_blocking(clock, FILE_LIMIT, path, move || reader.read_files(&shown)).await;
    match files.map_err(|failure| failure.message).and_then(|files| files) {
        Ok(files) => {
            let asked = kubeconfigs.path_of_shown(path);
            let tried = files.into_iter().map(|(file, text)| TriedFile {
                folder: file.parent().map(Path::to_owned).unwrap_or_default(),
                is_asked: Some(&file) == asked.as_ref(),
                text,
            });
            try_credential(&tried.collect::<Vec<_>>(), context, clock).await
        }
        Err(why) => Trial::NotTried(why),
    }
}
