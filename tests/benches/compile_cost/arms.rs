//! What is compared: the same structs and the same methods, with more or less around them.

/// An arm is a crate. Each has all that the one before it has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arm {
    /// Structs and methods alone.
    Plain,
    /// With serde's derives on events and what is in them.
    Serde,
    /// With all that a repository needs, written by hand.
    Hand,
    /// With all that a repository needs, written by factum.
    Factum,
}

impl Arm {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::Serde, Self::Hand, Self::Factum];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Serde => "serde",
            Self::Hand => "hand",
            Self::Factum => "factum",
        }
    }

    /// Its name among those of all sizes.
    pub(crate) fn krate(self, size: usize) -> String {
        format!("{}_{size}", self.name())
    }

    pub(crate) fn has_serde(self) -> bool {
        self != Self::Plain
    }

    /// Whether it is a program that could run: the other two are there to tell what the structs themselves cost.
    pub(crate) fn is_whole(self) -> bool {
        matches!(self, Self::Hand | Self::Factum)
    }
}
