#!/usr/bin/env bash
# Records osaka.json from a real node: one block with a transaction of every type (0 to 4) and a failed one, state
# proofs of a contract, and the history contract's proof of that block six blocks later.
#
# Needs anvil and cast (Foundry 1.7) on PATH, curl and jq. Usage: ./record.sh > osaka.json
set -euo pipefail

port=${PORT:-18545}
url=http://127.0.0.1:$port
anvil --silent --host 127.0.0.1 --port "$port" --chain-id 424242 --hardfork osaka --timestamp 1770000000 &
node=$!
trap 'kill $node' EXIT
until cast chain-id --rpc-url "$url" >/dev/null 2>&1; do sleep 0.1; done

rpc() { # method params
    curl -s "$url" -H 'content-type: application/json' \
        -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":$2}" | jq -e 'if has("result") then {ok: .result} else error(.error.message) end' | jq .ok
}
# The node's first well-known development accounts; they hold nothing anywhere else.
key() { cast wallet private-key "test test test test test test test test test test test junk" "$1"; }
send() { # index of the account, arguments
    cast send --async --rpc-url "$url" --private-key "$(key "$1")" --gas-limit 100000 "${@:2}" >/dev/null
}

# Runtime: sstore(0, calldataload(0)); log1(calldataload(0), topic 0xaa).
code=0x6e5f355f555f355f5260aa60205fa1005f52600f6011f3
contract=$(cast send --json --rpc-url "$url" --private-key "$(key 0)" --create "$code" | jq -r .contractAddress)
word() { cast to-uint256 "$1"; }

rpc evm_setAutomine '[false]' >/dev/null
blob=$(mktemp)
printf 'a blob' >"$blob"
tip=(--priority-gas-price 1gwei --gas-price 3gwei)
send 1 --legacy --gas-price 3gwei "$contract" "$(word 11)"
send 2 --gas-price 3gwei --legacy --access-list "[{\"address\":\"$contract\",\"storageKeys\":[\"$(word 0)\"]}]" "$contract" "$(word 22)"
send 3 "${tip[@]}" "$contract" "$(word 33)"
send 4 "${tip[@]}" --blob --eip4844 --blob-gas-price 2gwei --path "$blob" "$contract" "$(word 44)"
send 5 "${tip[@]}" --auth "$contract" "$contract" "$(word 55)"
cast send --async --rpc-url "$url" --private-key "$(key 6)" "${tip[@]}" --gas-limit 23000 "$contract" "$(word 66)" >/dev/null
rpc evm_mine '[]' >/dev/null
rpc anvil_mine '["0x6"]' >/dev/null

history=0x0000F90827F1C53a10cb7A02335B175320002935
{
    rpc eth_getBlockByNumber '["0x2", false]'
    rpc eth_getBlockByNumber '["0x3", false]'
    rpc eth_getBlockByNumber '["0x8", false]'
    rpc eth_getBlockReceipts '["0x2"]'
    rpc eth_getProof "[\"$contract\", [\"$(word 0)\", \"$(word 1)\"], \"0x2\"]"
    rpc eth_getProof "[\"$history\", [\"$(word 2)\"], \"0x8\"]"
} | jq -s '{block: .[0], child: .[1], later: .[2], receipts: .[3], proof: .[4], history: .[5]}'
