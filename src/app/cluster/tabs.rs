//! The tabs of the cluster screen.

/// A tab of the cluster screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Overview,
    Rotation,
    Nodes,
    Credentials,
    Checklist,
    Activity,
}

/// The tabs in display order, with their titles.
pub const TABS: [(Tab, &str); 6] = [
    (Tab::Overview, "overview"),
    (Tab::Rotation, "rotation"),
    (Tab::Nodes, "nodes"),
    (Tab::Credentials, "credentials"),
    (Tab::Checklist, "checklist"),
    (Tab::Activity, "activity"),
];

impl Tab {
    /// Title in the header and the border.
    pub fn title(self) -> &'static str {
        TABS.iter().find(|(tab, _)| *tab == self).map_or("", |(_, title)| title)
    }

    /// Number of the tab, 1-based.
    pub fn number(self) -> u8 {
        (1..).zip(&TABS).find(|(_, (tab, _))| *tab == self).map_or(1, |(number, _)| number)
    }

    /// The tab with this number, 1-based.
    pub fn numbered(number: u8) -> Option<Self> {
        TABS.get(usize::from(number).checked_sub(1)?).map(|(tab, _)| *tab)
    }

    /// The next or previous tab; wraps around.
    #[must_use]
    pub fn neighbour(self, forward: bool) -> Self {
        crate::app::motion::neighbour(&TABS.map(|(tab, _)| tab), self, forward)
    }
}
