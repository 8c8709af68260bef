/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * Nothing: what a room is linked with, to see that it needs no room above it (rooms.cmake).
 */
int main(void)
{
    return 0;
}
