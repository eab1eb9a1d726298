#include "lib/image/mirror.h"

#include "lib/base/log.h"

static bool
is_one(uint32_t set)
{
	return set != 0 && (set & (set - 1)) == 0;
}

/* The lowest URL of a set that is not empty. */
static int
lowest(uint32_t set)
{
	return __builtin_ctz(set);
}

int
vm_mirrors_next(const struct vm_mirrors *m, int after)
{
	uint32_t all = ((uint32_t)2 << m->source->mirror_count) - 1;
	uint32_t left = all & ~m->liars;

	if (m->suspects != 0) /* one of them, alone */
		left &= m->suspects & -m->suspects;
	left &= ~(((uint32_t)1 << (after + 1)) - 1);
	return left == 0 ? -1 : lowest(left);
}

const char *
vm_mirrors_location(const struct vm_mirrors *m, int url)
{
	return url == 0 ? m->source->location :
			  m->source->mirrors[url - 1].location;
}

const char *
vm_mirrors_shown(const struct vm_mirrors *m, int url)
{
	return url == 0 ? m->source->shown : m->source->mirrors[url - 1].shown;
}

static void
name_liar(const struct vm_mirrors *m, uint32_t liar)
{
	vm_log(VM_LOG_WARN, "%s: it has other bytes than were asked for",
	    vm_mirrors_shown(m, lowest(liar)));
}

bool
vm_mirrors_blame(struct vm_mirrors *m)
{
	uint32_t given = m->given;

	m->given = 0;
	if (given == 0 || m->source->mirror_count == 0)
		return false;
	if (!is_one(given)) {
		m->suspects = given;
		return true;
	}
	name_liar(m, given);
	m->found |= m->suspects != 0;
	m->liars |= given;
	m->suspects &= ~given;
	return vm_mirrors_next(m, -1) != -1;
}

void
vm_mirrors_absolve(const struct vm_mirrors *m)
{
	uint32_t rest = m->suspects & ~m->given;

	if (!m->found && is_one(rest))
		name_liar(m, rest);
}
