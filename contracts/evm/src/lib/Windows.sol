// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Amounts that left within an hour, a day, a week
/// @notice A window is kept in quarters: the current one and the four before it count. So a rolling window of that length
/// never holds more than its limit, and what left is forgotten at most a quarter of the window too late.
library Windows {
    /// @dev Amounts of 128 bits, least significant first: the current quarter and its number; the two quarters before
    /// it; the two before those. Within a quarter only the first word is written.
    struct Window {
        uint256[3] words;
    }

    /// @dev Amounts by age in quarters; the current one is the first.
    uint256 private constant AGES = 5;
    uint256 private constant AMOUNT = type(uint128).max;

    uint256 internal constant COUNT = 3;
    uint256 internal constant UNLIMITED = AMOUNT;

    /// @param index 0 hour, 1 day, 2 week.
    function quarterSeconds(uint256 index) internal pure returns (uint256) {
        if (index == 0) return 15 minutes;
        return index == 1 ? 6 hours : 42 hours;
    }

    /// @notice What counts now.
    function used(Window storage window, uint256 quarter) internal view returns (uint256) {
        (uint256[AGES] memory amounts,) = _load(window, quarter);
        return _sum(amounts);
    }

    /// @notice Counts an amount, unless it would exceed the limit.
    /// @return fits False when nothing was counted.
    /// @return available What the limit left before.
    function spend(Window storage window, uint256 quarter, uint256 amount, uint256 limit)
        internal
        returns (bool fits, uint256 available)
    {
        (uint256[AGES] memory amounts, uint256[3] memory old) = _load(window, quarter);
        uint256 sum = _sum(amounts);
        available = limit > sum ? limit - sum : 0;
        if (limit != UNLIMITED && amount > available) return (false, available);
        // Without a limit a quarter that is full stays full.
        uint256 current = amounts[0] + amount;
        amounts[0] = current < AMOUNT ? current : AMOUNT;
        _store(window, 0, old[0], amounts[0] | (quarter << 128));
        _store(window, 1, old[1], amounts[1] | (amounts[2] << 128));
        _store(window, 2, old[2], amounts[3] | (amounts[4] << 128));
        return (true, available);
    }

    /// @dev The amounts by their age at `quarter`, and the words as they lie in storage.
    function _load(Window storage window, uint256 quarter)
        private
        view
        returns (uint256[AGES] memory amounts, uint256[3] memory words)
    {
        words = window.words;
        uint256[AGES] memory stored =
            [words[0] & AMOUNT, words[1] & AMOUNT, words[1] >> 128, words[2] & AMOUNT, words[2] >> 128];
        uint256 passed = quarter - (words[0] >> 128);
        for (uint256 age = passed; age < AGES; ++age) {
            amounts[age] = stored[age - passed];
        }
    }

    function _sum(uint256[AGES] memory amounts) private pure returns (uint256) {
        return amounts[0] + amounts[1] + amounts[2] + amounts[3] + amounts[4];
    }

    function _store(Window storage window, uint256 index, uint256 old, uint256 word) private {
        if (old != word) window.words[index] = word;
    }
}
