// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What a Guard and a Gate have in common
/// @notice A circuit breaker with scopes, three levels, expiry by time or height, trips that only extend, a budget for
/// every tripper, and a way back that belongs to other keys. A Guard is asked by the contract that it protects; a Gate
/// holds the pausing power over a contract that exists already. Off-chain services treat both alike.
interface IBreaker {
    /// @dev On the wire a level is a `uint8`: 0, 1, 2.
    enum Level {
        Open,
        Limited,
        Closed
    }

    /// @param scope What to close: see `scopeOf`.
    /// @param level 1 (limited) or 2 (closed).
    /// @param until Unix seconds. The level holds while `now < until`; at most `now + maxSeconds` is granted.
    /// @param untilHeight Block number. The level also holds while `height < untilHeight`, so that a chain which stood
    /// still does not wake up open; at most `height + maxBlocks` is granted. Zero asks for no height bound.
    /// @param incident Identifier of the incident; only recorded.
    /// @param record Head of the decision log at the time of the decision; only recorded.
    /// @param generation The scope's generation that the decision was made for; any other is ignored, with an event.
    struct TripRequest {
        bytes32 scope;
        uint8 level;
        uint64 until;
        uint64 untilHeight;
        bytes32 incident;
        bytes32 record;
        uint32 generation;
    }

    /// @dev In storage this is one word at `keccak256(abi.encode(scope, 0))`, least significant bits first:
    /// registered 0..8, hold 8..16, closedUntil 16..56, closedUntilHeight 56..96, limitedUntil 96..136,
    /// limitedUntilHeight 136..176, generation 176..208, kind 208..216 (internal), the rest is zero.
    /// @param hold Level held by people (0, 1, 2); it does not expire.
    struct ScopeState {
        bool registered;
        uint8 hold;
        uint64 closedUntil;
        uint64 closedUntilHeight;
        uint64 limitedUntil;
        uint64 limitedUntilHeight;
        uint32 generation;
    }

    /// @dev Static, so that it encodes like eight separate arguments.
    /// @param maxSeconds MAX: the longest closure that one trip can reach, and the delay of the owner's changes.
    /// @param maxBlocks The same for heights. One block is charged to a budget as maxSeconds / maxBlocks seconds.
    /// @param limitedTailSeconds How long a scope stays limited after it was closed.
    /// @param limitedTailBlocks The same for heights; only used when the closure has a height bound.
    /// @param budgetWindowHours Length of the rolling window of every tripper's budget.
    struct Config {
        address owner;
        address releaser;
        address guardian;
        uint32 maxSeconds;
        uint32 maxBlocks;
        uint32 limitedTailSeconds;
        uint32 limitedTailBlocks;
        uint16 budgetWindowHours;
    }

    // ---- events: names, fields and order are fixed by contracts/vectors and equal on all machines ----

    /// @notice A trip took effect. `until` and `untilHeight` are what holds now for that level, not what was asked.
    event Tripped(
        bytes32 indexed scope,
        bytes32 indexed incident,
        uint8 level,
        uint64 until,
        uint64 untilHeight,
        bytes32 record,
        uint32 generation,
        bytes32 actionId,
        address tripper
    );
    /// @notice A trip succeeded without effect. Reasons: 1 other generation, 2 nothing to extend, 3 budget spent,
    /// 4 signed action already used.
    event TripIgnored(bytes32 indexed scope, bytes32 indexed incident, bytes32 actionId, uint8 reason);
    /// @notice The tripper's budget cut a closure. Both in seconds of budget: what was needed, what was left.
    event TripClipped(bytes32 indexed scope, address indexed tripper, uint64 asked, uint64 granted);
    /// @notice The releaser ended the closure; `generation` is the new one.
    event Released(bytes32 indexed scope, uint32 generation, address releaser);
    /// @notice A person holds the scope at `level` until the releaser ends it.
    event Held(bytes32 indexed scope, uint8 level, address guardian);
    event ScopeRegistered(
        bytes32 indexed scope, bytes32 indexed bridge, uint8 direction, bytes32 corridor, bytes32 asset
    );
    /// @notice Roles: 0 owner, 1 releaser, 2 guardian, 3 tripper. `budgetSeconds` is zero except for trippers.
    event RoleSet(uint8 indexed role, address indexed account, uint32 budgetSeconds);
    event RoleRevoked(uint8 indexed role, address indexed account);
    event OperationScheduled(bytes32 indexed id, bytes call, uint64 readyAt);
    event OperationCancelled(bytes32 indexed id, address by);
    event OperationExecuted(bytes32 indexed id);
    /// @notice Set-up is over: from here on the owner's changes wait.
    event Sealed();

    // ---- errors ----

    error InvalidConfig();
    error InvalidLevel(uint8 level);
    error InvalidDirection(uint8 direction);
    error InvalidSignature();
    error SignatureExpired(uint64 deadline);
    error ScopeUnregistered(bytes32 scope);
    error ScopeAlreadyRegistered(bytes32 scope);
    /// @notice The releaser looked at an older state: what it would release has changed since.
    error StaleRelease(uint32 generation, uint64 closedUntil);
    error NotOwner(address caller);
    error NotReleaser(address caller);
    error NotGuardian(address caller);
    error NotTripper(address caller);
    /// @notice One account may not hold both roles.
    error RoleConflict(address account);
    error ZeroAccount();
    error AlreadySealed();
    error NotScheduled(bytes32 id);
    error NotReady(bytes32 id, uint64 readyAt);
    error OperationExpired(bytes32 id, uint64 expiredAt);

    // ---- trip ----

    /// @notice Raise a scope to a level. The sender is the tripper.
    /// @return changed False when nothing was left to extend (see `TripIgnored`); that is a success.
    function trip(TripRequest calldata r) external returns (bool changed);

    /// @notice The same on behalf of the tripper who signed; anyone may submit it, once.
    /// @param deadline Unix seconds; the signature is refused when `now > deadline`.
    /// @param signature 65 bytes r, s, v over `tripDigest(r, deadline)`; s in the lower half order, v 27 or 28.
    function tripSigned(TripRequest calldata r, uint64 deadline, bytes calldata signature)
        external
        returns (bool changed);

    /// @notice keccak256(abi.encode(keccak256("portcullis.action.v1"), caip2Hash, address(this), scope, level, until,
    /// untilHeight, incident, generation)).
    function actionId(TripRequest calldata r) external view returns (bytes32);

    /// @notice What a tripper signs (EIP-191, version 0x45):
    /// keccak256("\x19Ethereum Signed Message:\n32" ‖ keccak256(abi.encode(actionId, deadline, record))).
    /// The record is signed too, so that who submits cannot forge it.
    function tripDigest(TripRequest calldata r, uint64 deadline) external view returns (bytes32);

    // ---- the way back ----

    /// @notice People hold the scope at `level` (1 or 2) without expiry. Raises only. Guardian or releaser.
    function hold(bytes32 scope, uint8 level) external;

    /// @notice Ends closure and hold, and raises the generation. Releaser only.
    /// @param to 0 (open) or 1 (limited, for the limited tail from now).
    /// @param generation The generation that the releaser saw.
    /// @param closedUntil The `closedUntil` that the releaser saw: a trip that came in between is not undone unseen.
    function release(bytes32 scope, uint8 to, uint32 generation, uint64 closedUntil) external;

    // ---- reading ----

    /// @notice keccak256(abi.encode(keccak256("portcullis.scope.v1"), caip2Hash, bridge, direction, corridor, asset)).
    /// @param direction 0 any, 1 in, 2 out.
    /// @param corridor bytes32(0) is the explicit wildcard ANY.
    /// @param asset bytes32(0) is the explicit wildcard ANY.
    function scopeOf(bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset) external view returns (bytes32);

    /// @notice keccak256 of the CAIP-2 name, "eip155:" followed by the chain id in decimal.
    function caip2Hash() external view returns (bytes32);

    /// @notice The scope's own level now, wildcards aside. An unregistered scope, and any scope before `seal`, is closed.
    function levelOf(bytes32 scope) external view returns (uint8);

    function stateOf(bytes32 scope) external view returns (ScopeState memory);

    // ---- roles; an unset role refuses ----

    function owner() external view returns (address);
    function releaser() external view returns (address);
    function guardian() external view returns (address);
    /// @return active Whether the account may trip.
    /// @return budgetSeconds Closed seconds that it may cause within the rolling window.
    /// @return leftSeconds What is left of them now.
    function tripperOf(address account) external view returns (bool active, uint32 budgetSeconds, uint32 leftSeconds);
    function isSealed() external view returns (bool);
    function maxSeconds() external view returns (uint32);
    function maxBlocks() external view returns (uint32);

    /// @notice Ends set-up, once. Owner.
    function seal() external;
    /// @notice Announce a call that waits: the same calldata can be sent by the owner after `maxSeconds`. Owner.
    function schedule(bytes calldata call) external returns (bytes32 id, uint64 readyAt);
    /// @notice Owner, releaser or guardian.
    function cancel(bytes32 id) external;

    // Owner; at once before `seal`, scheduled after it:
    function transferOwnership(address account) external;
    function setReleaser(address account) external;
    function setGuardian(address account) external;
    function grantTripper(address account, uint32 budgetSeconds) external;
    /// @notice Scopes are registered with their parts, so that a trip knows what it covers. (ANY, ANY) covers everything.
    function registerScope(bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset)
        external
        returns (bytes32 scope);
    // Owner; at once:
    function revokeReleaser() external;
    function revokeGuardian() external;
    function revokeTripper(address account) external;
}

/// @title The breaker that a protected contract asks
interface IGuard is IBreaker {
    /// @notice Base units; the greatest value means no limit, zero lets nothing pass.
    struct Limits {
        uint128 perTransaction;
        uint128 perHour;
        uint128 perDay;
        uint128 perWeek;
    }

    event BridgeRegistered(bytes32 indexed bridge, address indexed consumer);
    /// @notice `normal` always holds; `limited` holds beside it while the level is limited.
    event LimitsSet(bytes32 indexed scope, Limits normal, Limits limited);
    /// @notice A tripper lowered the limits until a time or height.
    event LimitsLowered(
        bytes32 indexed scope, address indexed tripper, Limits lowered, uint64 until, uint64 untilHeight
    );

    /// @notice `scope` is closed, and it covers the call.
    error ScopeClosed(bytes32 scope);
    /// @notice The bridge is unknown here, not live yet, or asked by another contract than its own.
    error ForeignCaller(bytes32 bridge, address caller);
    error BridgeAlreadyRegistered(bytes32 bridge);
    error BridgeUnregistered(bytes32 bridge);
    /// @notice Limits are in base units of one asset: they need a scope that names the asset.
    error AssetRequired();
    /// @param window 0 per transaction, 1 hour, 2 day, 3 week.
    error LimitExceeded(bytes32 scope, uint8 window, uint256 amount, uint256 available);

    /// @notice Asked by a bridge before value leaves. Reverts when a scope that covers (bridge, out, corridor, asset) is
    /// closed, when none of them is registered, when the caller is not that bridge, or when a limit would be exceeded;
    /// else counts the amount against the limits. Refunds, acknowledgements, time-outs and repayments do not ask.
    function check(bytes32 bridge, bytes32 corridor, bytes32 asset, uint256 amount) external;

    /// @notice The strictest level of all scopes that cover the call; closed when none is registered.
    function levelFor(bytes32 bridge, uint8 direction, bytes32 corridor, bytes32 asset) external view returns (uint8);

    // Owner; at once before `seal`, scheduled after it:
    /// @param consumer The only contract that may ask for this bridge.
    function registerBridge(bytes32 bridge, address consumer) external;
    /// @notice Limits of one asset's outflow: `corridor` ANY is the whole escrow, in which every corridor is nested.
    function setLimits(bytes32 bridge, bytes32 corridor, bytes32 asset, Limits calldata normal, Limits calldata limited)
        external;

    /// @notice Owner, at once: every field becomes the smaller of what is set and what is given.
    function tightenLimits(
        bytes32 bridge,
        bytes32 corridor,
        bytes32 asset,
        Limits calldata normal,
        Limits calldata limited
    ) external;
    /// @notice Tripper, at once, with expiry, from its budget.
    function lowerLimits(
        bytes32 bridge,
        bytes32 corridor,
        bytes32 asset,
        Limits calldata lowered,
        uint64 until,
        uint64 untilHeight
    ) external returns (bool changed);

    /// @return normal The limits that always hold.
    /// @return limited Those that hold beside them while the level is limited.
    /// @return lowered What a tripper asked for; in force while `now < until` or `height < untilHeight`.
    function limitsOf(bytes32 scope)
        external
        view
        returns (Limits memory normal, Limits memory limited, Limits memory lowered, uint64 until, uint64 untilHeight);
    /// @notice Base units counted in the hour, day and week windows now.
    function usedOf(bytes32 scope) external view returns (uint256 hour, uint256 day, uint256 week);
}
