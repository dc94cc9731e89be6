//! Small numbers for long names: what the configuration means, resolved once.
//!
//! Identities (bridge, route, token) get a number when they are first met and keep it; what the configuration
//! says of them is looked up by number and replaced as a whole when it changes. So records stay valid across a
//! change, and a token that nobody declared still has its number.

use std::collections::{BTreeMap, VecDeque};

use borsh::{BorshDeserialize, BorshSerialize};
use portcullis_verifier::{B256, BridgeId, ChainId, Slug, U256};

use crate::{
    config::{EngineConfig, Rules},
    limits,
    money::value_micro_usd,
};

/// Number of a chain.
pub(crate) type ChainNo = u16;
/// Number of a bridge.
pub(crate) type BridgeNo = u16;
/// Number of a route: bridge, origin domain, destination domain.
pub(crate) type RouteNo = u32;
/// Number of a token: bridge, domain, token.
pub(crate) type TokenNo = u32;
/// Number of a declared asset.
pub(crate) type AssetNo = u32;

/// What stands at the other end of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Reach {
    /// The origin's chain is observed.
    Watched {
        /// Chain of the origin.
        source: ChainNo,
    },
    /// The origin shares the escrow but is not observed.
    Unwatched,
    /// The configuration does not know the origin.
    Unknown,
}

/// A route as the configuration has it.
#[derive(Debug, Clone, Copy, BorshSerialize, BorshDeserialize)]
pub(crate) struct Route {
    pub(crate) bridge: BridgeNo,
    pub(crate) origin: B256,
    pub(crate) destination: B256,
    pub(crate) reach: Reach,
    pub(crate) finality_secs: u64,
    pub(crate) skew_secs: u64,
}

/// What the configuration says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Form {
    pub(crate) asset: AssetNo,
    pub(crate) decimals: u8,
    pub(crate) home: bool,
}

/// A token on one side of one bridge.
#[derive(Debug, Clone, Copy, BorshSerialize, BorshDeserialize)]
pub(crate) struct Token {
    pub(crate) domain: B256,
    pub(crate) token: B256,
    pub(crate) form: Option<Form>,
}

/// A declared asset and what it was worth when.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct Asset {
    pub(crate) name: Slug,
    start_micro_usd: Option<u64>,
    points: VecDeque<(u64, u64)>,
}

impl Asset {
    /// Price at a time: the last one known by then, or the configured one before the first.
    pub(crate) fn price_at(&self, time: u64) -> Option<u64> {
        match self.points.back() {
            None => self.start_micro_usd,
            Some((since, price)) if *since <= time => Some(*price),
            Some(_) => {
                let after = self.points.partition_point(|(since, _)| *since <= time);
                match after.checked_sub(1).and_then(|at| self.points.get(at)) {
                    Some((_, price)) => Some(*price),
                    None => self.start_micro_usd.or_else(|| self.points.front().map(|(_, price)| *price)),
                }
            }
        }
    }

    /// The newest price.
    pub(crate) fn price(&self) -> Option<u64> {
        self.points.back().map(|(_, price)| *price).or(self.start_micro_usd)
    }

    fn learn(&mut self, time: u64, micro_usd: u64) {
        let at = self.points.partition_point(|(since, _)| *since <= time);
        match at.checked_sub(1).and_then(|before| self.points.get_mut(before)) {
            Some(last) if last.0 == time => last.1 = micro_usd,
            _ => self.points.insert(at, (time, micro_usd)),
        }
        if self.points.len() > limits::PRICE_POINTS {
            self.points.pop_front();
        }
    }
}

/// Every name that the engine has met, and the configuration behind it.
#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Names {
    chains: Vec<ChainId>,
    bridges: Vec<BridgeId>,
    routes: Vec<Route>,
    route_numbers: BTreeMap<(BridgeNo, B256, B256), RouteNo>,
    tokens: Vec<Token>,
    token_numbers: BTreeMap<(BridgeNo, B256, B256), TokenNo>,
    assets: Vec<Asset>,
    asset_numbers: BTreeMap<(BridgeNo, Slug), AssetNo>,
    pub(crate) rules: Rules,
}

fn number<T: TryFrom<usize>>(length: usize) -> Option<T> {
    T::try_from(length).ok()
}

impl Names {
    /// Takes a configuration over. Numbers that were given stay.
    pub(crate) fn configure(&mut self, config: &EngineConfig) {
        self.rules = config.rules.clone();
        for token in &mut self.tokens {
            token.form = None;
        }
        for chain in &config.chains {
            self.chain(&chain.id);
        }
        for bridge in &config.bridges {
            let Some(bridge_no) = self.bridge(&bridge.id) else { continue };
            for asset in &bridge.assets {
                let Some(asset_no) = self.asset(bridge_no, asset) else { continue };
                for form in &asset.forms {
                    let Some(token) = self.token(bridge_no, form.domain, form.asset) else { continue };
                    let known = Form { asset: asset_no, decimals: form.decimals, home: form.home };
                    if let Some(token) = self.tokens.get_mut(index(token)) {
                        token.form = Some(known);
                    }
                }
            }
        }
        for at in 0..self.routes.len() {
            if let Some(route) = self.routes.get(at).copied() {
                let resolved = self.resolve(config, route);
                if let Some(place) = self.routes.get_mut(at) {
                    *place = resolved;
                }
            }
        }
        for bridge in &config.bridges {
            let Some(bridge_no) = self.bridge(&bridge.id) else { continue };
            let ends = bridge.sides.iter().map(|s| s.domain).chain(bridge.unwatched.iter().map(|u| u.domain));
            let ends: Vec<B256> = ends.collect();
            for origin in &ends {
                for destination in ends.iter().filter(|d| *d != origin) {
                    self.route(config, bridge_no, *origin, *destination);
                }
            }
        }
    }

    /// Number of a chain, giving one when it is new; none when there are too many.
    pub(crate) fn chain(&mut self, id: &ChainId) -> Option<ChainNo> {
        if let Some(at) = self.chains.iter().position(|known| known == id) {
            return number(at);
        }
        let at = number(self.chains.len())?;
        self.chains.push(*id);
        Some(at)
    }

    /// Number of a bridge, giving one when it is new; none when there are too many.
    pub(crate) fn bridge(&mut self, id: &BridgeId) -> Option<BridgeNo> {
        if let Some(at) = self.bridges.iter().position(|known| known == id) {
            return number(at);
        }
        let at = number(self.bridges.len())?;
        self.bridges.push(*id);
        Some(at)
    }

    fn asset(&mut self, bridge: BridgeNo, asset: &crate::config::Asset) -> Option<AssetNo> {
        let key = (bridge, asset.name);
        if let Some(at) = self.asset_numbers.get(&key) {
            if let Some(known) = self.assets.get_mut(index(*at)) {
                known.start_micro_usd = asset.micro_usd;
            }
            return Some(*at);
        }
        let at = number(self.assets.len())?;
        let points = VecDeque::new();
        self.assets.push(Asset { name: asset.name, start_micro_usd: asset.micro_usd, points });
        self.asset_numbers.insert(key, at);
        Some(at)
    }

    /// Number of a token, giving one when it is new; none when there are too many.
    pub(crate) fn token(&mut self, bridge: BridgeNo, domain: B256, token: B256) -> Option<TokenNo> {
        let key = (bridge, domain, token);
        if let Some(at) = self.token_numbers.get(&key) {
            return Some(*at);
        }
        let at = number(self.tokens.len())?;
        self.tokens.push(Token { domain, token, form: None });
        self.token_numbers.insert(key, at);
        Some(at)
    }

    /// Number of a route, giving one when it is new; none when there are too many.
    pub(crate) fn route(
        &mut self,
        config: &EngineConfig,
        bridge: BridgeNo,
        origin: B256,
        destination: B256,
    ) -> Option<RouteNo> {
        let key = (bridge, origin, destination);
        if let Some(at) = self.route_numbers.get(&key) {
            return Some(*at);
        }
        let at = number(self.routes.len())?;
        let bare =
            Route { bridge, origin, destination, reach: Reach::Unknown, finality_secs: 0, skew_secs: 0 };
        let route = self.resolve(config, bare);
        self.routes.push(route);
        self.route_numbers.insert(key, at);
        Some(at)
    }

    /// Number of a route that was met or configured.
    pub(crate) fn route_no(&self, bridge: BridgeNo, origin: B256, destination: B256) -> Option<RouteNo> {
        self.route_numbers.get(&(bridge, origin, destination)).copied()
    }

    fn resolve(&self, config: &EngineConfig, route: Route) -> Route {
        let bare = Route { reach: Reach::Unknown, finality_secs: 0, skew_secs: 0, ..route };
        let Some(name) = self.bridges.get(usize::from(route.bridge)) else { return bare };
        let Some(bridge) = config.bridges.iter().find(|b| b.id == *name) else { return bare };
        let side = bridge.sides.iter().find(|side| side.domain == route.origin);
        let chain = side.and_then(|side| self.chains.iter().position(|known| *known == side.chain));
        let reach = match chain.and_then(number) {
            Some(source) => Reach::Watched { source },
            None if bridge.unwatched.iter().any(|u| u.domain == route.origin) => Reach::Unwatched,
            None => Reach::Unknown,
        };
        Route { reach, finality_secs: bridge.finality_secs, skew_secs: bridge.skew_secs, ..route }
    }

    /// A price of an asset, in every bridge that has an asset of that name. True when there is one.
    pub(crate) fn learn_price(&mut self, asset: Slug, time: u64, micro_usd: u64) -> bool {
        let mut known = false;
        for asset in self.assets.iter_mut().filter(|a| a.name == asset) {
            asset.learn(time, micro_usd);
            known = true;
        }
        known
    }

    /// Name of a chain.
    pub(crate) fn chain_id(&self, chain: ChainNo) -> Option<ChainId> {
        self.chains.get(usize::from(chain)).copied()
    }

    /// Name of a bridge.
    pub(crate) fn bridge_id(&self, bridge: BridgeNo) -> Option<BridgeId> {
        self.bridges.get(usize::from(bridge)).copied()
    }

    /// Number of a configured bridge.
    pub(crate) fn bridge_no(&self, id: &BridgeId) -> Option<BridgeNo> {
        self.bridges.iter().position(|known| known == id).and_then(number)
    }

    /// How many bridges have a number.
    pub(crate) fn bridges(&self) -> &[BridgeId] {
        &self.bridges
    }

    /// A route by number.
    pub(crate) fn route_at(&self, route: RouteNo) -> Option<&Route> {
        self.routes.get(index(route))
    }

    /// A token by number.
    pub(crate) fn token_at(&self, token: TokenNo) -> Option<&Token> {
        self.tokens.get(index(token))
    }

    /// What the configuration says of a token.
    pub(crate) fn form(&self, token: TokenNo) -> Option<Form> {
        self.tokens.get(index(token)).and_then(|t| t.form)
    }

    /// An asset by number.
    pub(crate) fn asset_at(&self, asset: AssetNo) -> Option<&Asset> {
        self.assets.get(index(asset))
    }

    /// Whether a consumption in this token gives back what left: it happens where the route begins.
    pub(crate) fn is_refund(&self, route: &Route, token: TokenNo) -> bool {
        // A message to where it came from, which no bridge sends, is no refund.
        route.origin != route.destination
            && self.token_at(token).is_some_and(|token| token.domain == route.origin)
    }

    /// Name of a token for people: the asset's name, or the start of its address.
    pub(crate) fn token_name(&self, token: TokenNo) -> String {
        match self.token_at(token) {
            Some(Token { form: Some(form), .. }) => {
                self.asset_at(form.asset).map_or_else(String::new, |asset| asset.name.to_string())
            }
            Some(token) => format!("{} (undeclared)", token.token),
            None => String::from("an unknown token"),
        }
    }

    /// Value of an amount of a token at a time, micro-USD; none when it has no price.
    pub(crate) fn value(&self, token: TokenNo, amount: U256, time: u64) -> Option<u64> {
        let form = self.form(token)?;
        let price = self.asset_at(form.asset)?.price_at(time)?;
        Some(value_micro_usd(amount, form.decimals, price))
    }

    /// Value of an amount of a token at the newest price, micro-USD; none when it has no price.
    pub(crate) fn value_now(&self, token: TokenNo, amount: U256) -> Option<u64> {
        let form = self.form(token)?;
        let price = self.asset_at(form.asset)?.price()?;
        Some(value_micro_usd(amount, form.decimals, price))
    }
}

/// A record number as an index. Numbers are given from lengths, so they always fit.
pub(crate) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
