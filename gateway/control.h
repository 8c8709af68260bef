/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * What the platform says about a user while it is connected (pollen8.ctl.user.<token>). Loop thread.
 */
#ifndef POLLEN8_GATEWAY_CONTROL_H
#define POLLEN8_GATEWAY_CONTROL_H

struct gateway;
struct control;

/* Acts on the user's sessions and frees the control. */
void control_act(struct gateway *gateway, struct control *control);

#endif
