//! Who may do what over HTTP.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the holder of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Hand in payments and orders, and nothing else: for a shop's server.
    Ingest,
    /// See everything, change nothing.
    Read,
    /// See everything, and what an operator does: the roster, dead letters, calendar feeds.
    Operate,
    /// Everything.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Ingest, Self::Read, Self::Operate, Self::Admin];

    /// As it is named on the command line, in tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// Whether whoever has this role may do what `needed` is needed for. Whoever operates sees what they change;
    /// handing in payments is apart, as those who see people's data need not be able to make purchases.
    pub const fn allows(self, needed: Self) -> bool {
        matches!(
            (self, needed),
            (Self::Admin, _)
                | (Self::Operate, Self::Operate | Self::Read)
                | (Self::Read, Self::Read)
                | (Self::Ingest, Self::Ingest)
        )
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no role's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown role {0:?}, known are {known}", known = Role::ALL.map(Role::name).join(", "))]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_allows_what_it_is_for() {
        for (role, allowed) in [
            (Role::Ingest, vec![Role::Ingest]),
            (Role::Read, vec![Role::Read]),
            (Role::Operate, vec![Role::Read, Role::Operate]),
            (Role::Admin, Role::ALL.to_vec()),
        ] {
            assert_eq!(
                Role::ALL.into_iter().filter(|needed| role.allows(*needed)).collect::<Vec<_>>(),
                allowed,
                "{role}"
            );
        }
    }

    #[test]
    fn a_role_is_its_name() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
        assert!("root".parse::<Role>().unwrap_err().to_string().contains("ingest, read, operate, admin"));
    }
}
