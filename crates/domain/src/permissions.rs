//! What each role may do (fleet.md §2.4).
//!
//! The roles are nested: each may do what the ones before it may. A person without a role, or with
//! one we do not know, is an explorer.

use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Explorer,
    Analyst,
    Operator,
    Admin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown role")]
pub struct UnknownRole;

/// Each permission with the least role that has it, in the order of the contract.
pub const TABLE: [(&str, Role); 37] = [
    ("tests:library:read", Role::Explorer),
    ("tests:builds:read", Role::Operator),
    ("tests:builds:create", Role::Operator),
    ("tests:builds:delete", Role::Admin),
    ("tests:sync:execute", Role::Operator),
    ("analytics:dashboards:read", Role::Explorer),
    ("analytics:settings:read", Role::Explorer),
    ("analytics:settings:write", Role::Admin),
    ("analytics:index:create", Role::Admin),
    ("analytics:risk:read", Role::Analyst),
    ("analytics:risk:write", Role::Operator),
    ("endpoints:agents:read", Role::Operator),
    ("endpoints:agents:write", Role::Operator),
    ("endpoints:agents:delete", Role::Admin),
    ("endpoints:tokens:create", Role::Operator),
    ("endpoints:tokens:delete", Role::Admin),
    ("endpoints:tasks:read", Role::Analyst),
    ("endpoints:tasks:create", Role::Operator),
    ("endpoints:tasks:cancel", Role::Operator),
    ("endpoints:tasks:delete", Role::Admin),
    ("endpoints:tasks:notes", Role::Analyst),
    ("endpoints:tasks:command", Role::Admin),
    ("endpoints:schedules:read", Role::Operator),
    ("endpoints:schedules:create", Role::Operator),
    ("endpoints:schedules:write", Role::Operator),
    ("endpoints:schedules:delete", Role::Admin),
    ("endpoints:versions:read", Role::Operator),
    ("endpoints:versions:create", Role::Operator),
    ("endpoints:versions:delete", Role::Admin),
    ("settings:platform:read", Role::Explorer),
    ("settings:platform:write", Role::Admin),
    ("settings:certificates:read", Role::Operator),
    ("settings:certificates:create", Role::Operator),
    ("settings:certificates:delete", Role::Admin),
    ("settings:users:manage", Role::Admin),
    ("integrations:read", Role::Operator),
    ("integrations:write", Role::Admin),
];

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "admin" => Ok(Self::Admin),
            "operator" => Ok(Self::Operator),
            "analyst" => Ok(Self::Analyst),
            "explorer" => Ok(Self::Explorer),
            _ => Err(UnknownRole),
        }
    }
}

impl Role {
    /// The role that a token's claim names; explorer when it names none of ours.
    pub fn of_claim(claim: Option<&str>) -> Self {
        claim.and_then(|it| it.parse().ok()).unwrap_or(Self::Explorer)
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Analyst => "analyst",
            Self::Explorer => "explorer",
        }
    }

    /// Each with its row in [`TABLE`].
    pub fn permissions(self) -> impl Iterator<Item = (usize, &'static str)> {
        let rows = TABLE.iter().enumerate().filter(move |(_, (_, least))| *least <= self);
        rows.map(|(row, (name, _))| (row, *name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(role: Role, count: usize) {
        assert_eq!(role.permissions().count(), count);
    }

    #[test]
    fn each_role_has_as_many_permissions_as_documented() {
        check(Role::Admin, 37);
        check(Role::Operator, 24);
        check(Role::Analyst, 7);
        check(Role::Explorer, 4);
    }

    /// The contract's enumeration is taken over row by row.
    #[test]
    fn the_table_is_in_the_order_of_the_contract() {
        let contract = include_str!("../../../wit/identity.wit");
        let flags = contract.split("enum permission {").nth(1).unwrap();
        let flags = flags.split('}').next().unwrap().split(',').map(str::trim);
        let flags: Vec<_> = flags.filter(|it| !it.is_empty()).collect();
        let table: Vec<_> = TABLE.iter().map(|(name, _)| name.replace(':', "-")).collect();
        assert_eq!(flags, table);
    }

    #[test]
    fn an_explorer_only_reads() {
        let names: Vec<_> = Role::Explorer.permissions().map(|(_, name)| name).collect();
        assert_eq!(
            names,
            [
                "tests:library:read",
                "analytics:dashboards:read",
                "analytics:settings:read",
                "settings:platform:read"
            ]
        );
    }

    #[test]
    fn an_analyst_also_reads_and_annotates_tasks_and_reads_risk() {
        let explorer: Vec<_> = Role::Explorer.permissions().collect();
        let more = Role::Analyst.permissions().filter(|it| !explorer.contains(it));
        let names: Vec<_> = more.map(|(_, name)| name).collect();
        assert_eq!(names, ["analytics:risk:read", "endpoints:tasks:read", "endpoints:tasks:notes"]);
    }

    #[test]
    fn whoever_has_no_role_of_ours_is_an_explorer() {
        assert_eq!(Role::of_claim(None), Role::Explorer);
        assert_eq!(Role::of_claim(Some("Admin")), Role::Explorer);
        assert_eq!(Role::of_claim(Some("root")), Role::Explorer);
        assert_eq!(Role::of_claim(Some("admin")), Role::Admin);
    }
}
