//! Tries the credentials of kubeconfig files.

use crate::clients::kubernetes::try_credential;
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
    let KubeconfigLocation::File { path, context, .. } = place else {
        return Trial::NotTried("it is in no file".to_owned());
    };
    let (files, shown) = (kubeconfigs.clone(), path.clone());
    let text = run_blocking(clock, FILE_LIMIT, path, move || files.read_file(&shown)).await;
    match text.map_err(|failure| failure.message).and_then(|text| text) {
        Ok(text) => try_credential(&text, context, clock).await,
        Err(why) => Trial::NotTried(why),
    }
}
