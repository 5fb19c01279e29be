//! Texts about quitting and restarting.

use crate::app::texts::texts;

texts! {
    request_being_sent(step, cluster) = "The {step} request for {cluster} is being sent.";
    KUBECONFIG_UNDER_WAY = "A kubeconfig is being issued or saved.";
    KUBECONFIG_UNSAVED = "An issued kubeconfig is not saved.";
    OUTCOME_UNKNOWN = "The outcome of a request is still being checked.";
    REQUESTS_CONTINUE = "Requests that were sent continue without skeys; start skeys again to see the result.";
    KUBECONFIG_LOST = "A kubeconfig that is not saved is lost; one that SKE has issued stays valid until it expires.";
    KUBECONFIG_IN_CLIPBOARD = "A kubeconfig is in the clipboard and would be cleared.";
    SOMETHING_OPEN = "Close the open dialog or menu, then try again.";
    RESTARTING = "Restarting with the current configuration …";
    ALREADY_RESTARTING = "A restart is already under way.";
    no_restart(why) = "The dashboard cannot restart now. {why}";
    QUIT_TITLE = "Quit skeys";
    STAY = "Stay";
    QUIT = "Quit";
}
