"""What is written of users and sessions in one step, and only if what was read before is still so: scripts of Redis."""

from __future__ import annotations

CREATE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
"""
"""A new user, unless there is one."""

UPDATE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[1], 'used_ms')
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
"""
"""A new password of a user, if there is one."""

OPEN = """
if redis.call('HGET', KEYS[1], 'credential') ~= ARGV[1] then return 0 end
if redis.call('HGET', KEYS[1], 'one_time') == '1' then
  if redis.call('HSETNX', KEYS[1], 'used_ms', ARGV[3]) == 0 then return 0 end
end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', unpack(ARGV, 6))
redis.call('HSET', KEYS[2], 'name', ARGV[2], 'credential', ARGV[1], 'created_ms', ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 1
"""
"""Opens a session if the credential is still the one that was verified, and a one-time password is used by nobody else.
It is written into the audit in the same step, so that there is no session without an entry."""

OPEN_BY_PROVIDER = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', unpack(ARGV, 5))
redis.call('HSET', KEYS[1], 'name', ARGV[1], 'provider', '1', 'created_ms', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""
"""The same for somebody whom a provider has vouched for, the first time that their proof is shown."""

CLOSE = """
local name = redis.call('HGET', KEYS[1], 'name')
if not name or redis.call('HEXISTS', KEYS[1], 'ended') == 1 then return 0 end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))
if redis.call('HEXISTS', KEYS[1], 'provider') == 1 then
  redis.call('HSET', KEYS[1], 'ended', '1')
else
  redis.call('DEL', KEYS[1])
end
return 1
"""
"""Ends a session. A provider's proof can be shown again for as long as it holds, so that its end is kept."""

REHASH = """
if redis.call('HGET', KEYS[1], 'credential') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'password', ARGV[2])
return 1
"""

FORGIVE = """
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('DECR', KEYS[2]) end
return 1
"""
"""After a right password: the name's count begins anew, the address gets this attempt back."""
