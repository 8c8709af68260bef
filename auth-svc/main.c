/* SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
 *
 * auth-svc: settings -> service -> signals -> drain. Verifies tokens for the gateways on
 * pollen8.auth.verify; see service.h for the parts and verify.h for the path of one request.
 */
#include <stdio.h>

#include "common/json.h"
#include "common/log.h"
#include "common/ops/lifecycle.h"
#include "service.h"

#define EXIT_SETTINGS 2

static const struct config_setting settings[] = {
#define SETTING(field, type, name, default_text, minimum, maximum, help)                                     \
    {name, default_text, help, CONFIG_##type, offsetof(struct auth_config, field), minimum, maximum},
#include "base/config.def"
#include "common/ops/config_common.def"
#undef SETTING
};

static const struct config_program program = {.name = "auth-svc",
                                              .purpose = "Verifies tokens and says who a session is",
                                              .settings = settings,
                                              .count = sizeof(settings) / sizeof(settings[0])};

static void run(struct service *service)
{
    for (;;) {
        switch (lifecycle_wait(-1)) {
        case LIFECYCLE_RELOAD: service_reload(service); break;
        case LIFECYCLE_STOP: return;
        case LIFECYCLE_TIMEOUT: break;
        }
    }
}

int main(int argc, char **argv)
{
    struct auth_config config = {0};
    struct service *service = NULL;
    char error[512];
    enum status status;

    lifecycle_init();
    (void)config_load(&program, &config, argc, argv);
    log_init("auth-svc", (enum log_level)config.log_level, (enum log_format)config.log_format);
    json_init();
    status = service_create(&config, &service, error, sizeof(error));
    if (status == STATUS_OK) {
        log_event(LOG_INFO, "started", LOG_S("users", config.user_store), LOG_I("workers", config.workers),
                  LOG_I("ops_port", config.ops_port));
        run(service);
        log_event(LOG_INFO, "stopping");
        lifecycle_draining(config.drain_timeout_ms);
        service_stop(service);
    } else {
        (void)fprintf(stderr, "auth-svc: %s\n", error); /* the log may not be usable */
    }
    config_free(&program, &config);
    if (status == STATUS_OK)
        return 0;
    return status == STATUS_MALFORMED ? EXIT_SETTINGS : 1;
}
