#include "engine/policy/share.h"

enum share share_of(const struct share_load *load)
{
    uint32_t slow_max = load->count_max - load->count_max / 4;
    bool is_full = load->count >= load->count_max;
    if (!load->is_prompt) {
        is_full |= load->slow_count >= slow_max;
        if (load->site_count >= SHARE_FEW && load->slow_count >= slow_max / 2)
            return SHARE_WAIT;
    }
    if (!is_full)
        return SHARE_OPEN;
    return load->site_count == 0 ? SHARE_REPLACES : SHARE_WAIT;
}
