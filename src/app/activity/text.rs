//! Texts of the activity.

use crate::app::texts::texts;

texts! {
    NONE_HERE = "No activity for this cluster yet.";
    NONE = "No activity yet. Actions and observed changes appear here.";
    TITLE = " activity, newest first ";
    title_range(first, last, all) = " activity {first}–{last} of {all}, newest first ";
    cluster(name, region, project) = "{name}, region {region}, project {project}";
}
