//! A chain of the world, of whichever family.

use alloy::primitives::Address;
use eyre::Result;

use super::Side;
use crate::cosmos::zone::Zone;
use crate::proxy::Proxy;
use crate::scenario::Domain;
use crate::solana::cluster::Cluster;

/// One chain of the world, of whichever family.
#[derive(Debug, Clone, Copy)]
pub enum Place<'w> {
    /// One of the two with a past.
    Side(&'w Side),
    /// The one whose validators sign each block.
    Zone(&'w Zone),
    /// The one of slots.
    Cluster(&'w Cluster),
}

impl<'w> Place<'w> {
    /// The bridge's name for the chain.
    #[must_use]
    pub fn domain(&self) -> Domain {
        match self {
            Self::Side(side) => side.deployed.domain,
            Self::Zone(_) => Domain::Cosmos,
            Self::Cluster(_) => Domain::Solana,
        }
    }

    /// The family of its chain, as the configuration calls it.
    #[must_use]
    pub fn family(&self) -> &'static str {
        match self {
            Self::Side(_) => "evm",
            Self::Zone(_) => "cosmos",
            Self::Cluster(_) => "solana",
        }
    }

    /// The name of its chain, CAIP-2.
    #[must_use]
    pub fn caip2(&self) -> String {
        match self {
            Self::Side(side) => side.caip2(),
            Self::Zone(zone) => zone.caip2(),
            Self::Cluster(cluster) => cluster.caip2(),
        }
    }

    /// Its guard, as the play names contracts.
    #[must_use]
    pub fn guard(&self) -> Address {
        match self {
            Self::Side(side) => side.deployed.guard,
            Self::Zone(zone) => zone.guard(),
            Self::Cluster(cluster) => cluster.guard(),
        }
    }

    /// One endpoint per operator.
    #[must_use]
    pub fn operators(&self) -> &'w [Proxy] {
        match self {
            Self::Side(side) => &side.operators,
            Self::Zone(zone) => &zone.operators,
            Self::Cluster(cluster) => &cluster.operators,
        }
    }

    /// Whether nothing gets out now.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn closed(&self) -> Result<bool> {
        match self {
            Self::Side(side) => side.closed().await,
            Self::Zone(zone) => zone.closed().await,
            Self::Cluster(cluster) => cluster.closed().await,
        }
    }

    /// Whether what the chain does can be proven, and is not only reported.
    #[must_use]
    pub fn provable(&self) -> bool {
        !matches!(self, Self::Cluster(_))
    }
}
